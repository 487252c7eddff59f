DROP VIEW janus.queue_depth, janus.workers, janus.webhook_deliveries, janus.attempts, janus.jobs;
DROP FUNCTION janus_private.emit(bigint, text), janus_private.event_body(bigint, text),
    janus_private.setting_on(text), janus_private.setting_int(text), janus_private.setting_text(text),
    janus_private.sees(regrole);
DROP VIEW janus_private.job_status, janus_private.visible_owner;
DROP FUNCTION janus_private.is_admin(), janus_private.caller_role(), janus_private.caller();
