DROP VIEW janus.settings;
SELECT janus_private.unpublish('redeliver', 'rotate_webhook_secret', 'webhook_secret', 'rotate_channel', 'channel', 'retry', 'cancel');
DROP FUNCTION janus_private.ensure_default_model, janus.reassign, janus.resume, janus.pause, janus.revoke_upload, janus.grant_upload,
    janus_private.check_grant, janus.configure, janus_private.random_channel, janus.output, janus.list, janus.counts, janus.status,
    janus_private.lock_in, janus_private.job_of;
DROP VIEW janus.outputs;
