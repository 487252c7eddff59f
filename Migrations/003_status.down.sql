DROP VIEW janus.queue_depth, janus.workers, janus.webhook_deliveries, janus.attempts, janus.visible_roles, janus.job_keys,
    janus.job_status, janus.jobs;
DROP FUNCTION janus_private.queue_lines, janus_private.emit, janus_private.event_body, janus_private.wake, janus_private.setting_on, janus_private.setting_int,
    janus_private.setting_text, janus_private.sees, janus_private.is_cancel_requested;
DROP VIEW janus_private.visible_status, janus_private.job_status, janus_private.reader;
DROP FUNCTION janus_private.inherited_roles;
DROP TABLE janus_private.channel, janus_private.cancellation;
