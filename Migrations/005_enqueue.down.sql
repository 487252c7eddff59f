SELECT janus_private.unpublish('batch', 'generate');
DROP FUNCTION janus_private.generate_task, janus_private.enqueue, janus_private.enqueue_all, janus_private.check_queued,
    janus_private.fingerprint, janus_private.check_common, janus_private.ensure_webhook_secret, janus_private.random_seed;
DROP TYPE janus_private.common;
