-- All jobs go.
DROP TABLE janus_private.paused_queue, janus_private.model, janus_private.daemon, janus_private.upload_grant,
    janus_private.webhook_delivery, janus_private.webhook_secret, janus_private.attempt, janus_private.run,
    janus_private.key_lane, janus_private.lane, janus_private.arrival, janus_private.key_limit, janus_private.owner_limit,
    janus_private.tenant,
    janus_private.output, janus_private.input_image, janus_private.input, janus_private.job;
DROP FUNCTION janus_private.refuse_transition(), janus_private.jobs_arrived(), janus_private.job_arrived();
