-- All jobs go.
DROP TABLE janus_private.paused_queue, janus_private.model, janus_private.daemon, janus_private.upload_grant,
    janus_private.webhook_delivery, janus_private.webhook_secret, janus_private.attempt, janus_private.run,
    janus_private.output, janus_private.input_image, janus_private.input, janus_private.job;
DROP FUNCTION janus_private.refuse_transition();
