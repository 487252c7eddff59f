DROP VIEW janus.settings;
DROP FUNCTION janus_private.ensure_default_model, janus.resume, janus.pause, janus.revoke_upload, janus.grant_upload,
    janus_private.check_grant, janus.configure, janus.redeliver, janus.rotate_webhook_secret, janus.webhook_secret,
    janus.retry, janus.cancel, janus.output, janus.status, janus_private.own_job;
