-- What people and webhooks see of jobs.

-- Who asks: the active SET ROLE, else the session's user. Inside SECURITY DEFINER functions current_user is the
-- definer, so it cannot tell.
CREATE FUNCTION janus_private.caller() RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;

CREATE FUNCTION janus_private.is_admin() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bool_or(pg_has_role(janus_private.caller(), r.oid, 'MEMBER')), false)
    FROM janus_private.role_name n JOIN pg_roles r ON r.rolname = n.name
    WHERE n.kind = 'admin'
$$;

-- Owners whose rows the caller sees, besides an administrator, who sees all (those of dropped roles too).
CREATE VIEW janus_private.visible_owner AS
    SELECT rolname AS owner FROM pg_roles WHERE pg_has_role(janus_private.caller(), oid, 'MEMBER');

CREATE FUNCTION janus_private.sees(owner name) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT janus_private.is_admin() OR EXISTS (SELECT FROM janus_private.visible_owner v WHERE v.owner = sees.owner)
$$;

-- Every job as people read it; janus.jobs shows each caller a part. Only grows at the end.
CREATE VIEW janus_private.job_status AS
SELECT
    j.id,
    j.uuid,
    j.queue,
    j.kind,
    j.model,
    j.state,
    CASE WHEN j.state = 'running' THEN coalesce(r.phase, 'preparing') END AS phase,
    CASE j.state
        WHEN 'queued' THEN 0
        WHEN 'running' THEN round(100.0 * least(r.steps_done, r.steps_total) / r.steps_total, 1)
        WHEN 'succeeded' THEN 100
    END::numeric AS progress,
    -- Counts at most a thousand ahead, so that a deep queue can be listed.
    CASE WHEN j.state = 'queued' AND j.run_at <= now() AND j.model IS NOT NULL THEN 1 + (
        SELECT count(*) FROM (
            SELECT FROM janus_private.job a
            WHERE a.state = 'queued' AND a.model = j.model AND a.queue = j.queue
                AND (a.priority, a.run_at, a.id) < (j.priority, j.run_at, j.id) AND a.run_at <= now()
            LIMIT 1000) AS ahead)
    END AS queue_position,
    j.attempts AS attempt,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.text,
    (SELECT jsonb_agg(jsonb_build_object(
            'index', o.index, 'media_type', o.media_type, 'width', o.width, 'height', o.height,
            'bytes', o.byte_count, 'sha256', o.sha256, 'urls', o.urls, 'in_database', o.data IS NOT NULL)
        ORDER BY o.index)
     FROM janus_private.output o WHERE o.job = j.id) AS outputs,
    j.error,
    j.usage,
    j.metadata,
    j.owner,
    j.priority,
    j.max_attempts,
    j.run_at,
    j.expires_at,
    j.cancel_requested_at,
    j.finish_reason,
    (i.task ->> 'seed')::bigint AS seed,
    i.task AS arguments,
    -- without query strings: they are signatures
    ARRAY(SELECT split_part(u, '?', 1) FROM unnest(j.upload_to) WITH ORDINALITY AS x (u, n) ORDER BY n) AS upload_to,
    j.idempotency_key,
    j.concurrency_key,
    j.traceparent
FROM janus_private.job j
JOIN janus_private.input i ON i.job = j.id
LEFT JOIN janus_private.run r ON r.job = j.id;

CREATE VIEW janus.jobs WITH (security_barrier) AS
SELECT * FROM janus_private.job_status s
WHERE s.owner IN (SELECT owner FROM janus_private.visible_owner) OR (SELECT janus_private.is_admin());
COMMENT ON VIEW janus.jobs IS 'Your jobs: state, phase, progress (0 to 100), place in the queue, result or error.';

CREATE VIEW janus.attempts WITH (security_barrier) AS
SELECT
    a.job,
    a.run_lease,
    a.attempt,
    a.started_at,
    a.ended_at,
    a.outcome,
    a.state,
    a.error,
    a.host,
    a.daemon,
    a.generation,
    j.owner
FROM janus_private.attempt a JOIN janus_private.job j ON j.id = a.job
WHERE j.owner IN (SELECT owner FROM janus_private.visible_owner) OR (SELECT janus_private.is_admin());
COMMENT ON VIEW janus.attempts IS 'Every run of your jobs, how it ended (outcome) and what became of the job (state).';

CREATE VIEW janus.webhook_deliveries WITH (security_barrier) AS
SELECT
    d.id,
    d.job,
    d.type,
    d.state,
    d.attempts,
    d.last_status,
    d.last_error,
    CASE WHEN d.state = 'pending' THEN d.next_attempt_at END AS next_attempt_at,
    d.created_at,
    d.finished_at,
    split_part(d.url, '?', 1) AS url,
    d.message_id,
    d.body::jsonb AS body,
    d.owner
FROM janus_private.webhook_delivery d
WHERE d.owner IN (SELECT owner FROM janus_private.visible_owner) OR (SELECT janus_private.is_admin());
COMMENT ON VIEW janus.webhook_deliveries IS 'Calls of your webhooks, made and to be made; janus.redeliver(id) repeats one.';

CREATE VIEW janus.workers AS
SELECT
    d.host,
    d.instance,
    d.version,
    d.models,
    d.queues,
    d.seen_at > now() - make_interval(secs => d.lease_seconds) AS alive,
    (SELECT count(*) FROM janus_private.run r WHERE r.daemon = d.instance) AS running,
    d.started_at,
    d.seen_at
FROM janus_private.daemon d;
COMMENT ON VIEW janus.workers IS 'The daemons that serve this database.';

CREATE VIEW janus.queue_depth AS
SELECT
    j.queue,
    j.model,
    count(*) FILTER (WHERE j.state = 'queued' AND j.run_at <= now()) AS waiting,
    count(*) FILTER (WHERE j.state = 'queued' AND j.run_at > now()) AS scheduled,
    count(*) FILTER (WHERE j.state = 'running') AS running,
    coalesce(extract(epoch FROM now() - min(j.run_at) FILTER (WHERE j.state = 'queued' AND j.run_at <= now())), 0)
        ::double precision AS oldest_waiting_seconds,
    EXISTS (SELECT FROM janus_private.paused_queue p WHERE p.queue = j.queue) AS paused
FROM janus_private.job j
WHERE j.state IN ('queued', 'running')
GROUP BY j.queue, j.model;
COMMENT ON VIEW janus.queue_depth IS 'Jobs waiting and running by queue and model: for monitoring and autoscaling.';

-- The webhook's {type, timestamp, data}: the job as it is now. Ids and seeds are strings, as JavaScript loses
-- integers beyond 2^53; times are in UTC whatever the session says.
CREATE FUNCTION janus_private.event_body(job_id bigint, event text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT jsonb_build_object('type', 'job.' || event, 'timestamp', to_jsonb(now()), 'data',
        to_jsonb(s) || jsonb_build_object('id', s.id::text, 'seed', s.seed::text))::text
    FROM janus_private.job_status s WHERE s.id = job_id
$$;

-- The end of a job: wakes clients that listen and writes the outbox row, in the transaction of the state change.
-- Called as a statement of its own after that change, since it reads the job as it then is.
CREATE FUNCTION janus_private.emit(job_id bigint, event text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF janus_private.setting_on('notify') THEN
        PERFORM pg_notify('janus_finished', job_id::text);
    END IF;
    INSERT INTO janus_private.webhook_delivery (job, owner, generation, message_id, type, url, body)
    SELECT j.id, j.owner, j.generation, 'msg_' || replace(gen_random_uuid()::text, '-', ''), 'job.' || event,
        j.webhook_url, janus_private.event_body(j.id, event)
    FROM janus_private.job j
    WHERE j.id = job_id AND j.webhook_url IS NOT NULL AND event = ANY (j.webhook_events);
    IF FOUND THEN
        PERFORM pg_notify('janus_control', '');
    END IF;
END $$;

CREATE FUNCTION janus_private.setting_text(key text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(s.value, s.default_value) FROM janus_private.setting s WHERE s.key = setting_text.key
$$;

CREATE FUNCTION janus_private.setting_int(key text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT janus_private.setting_text(key)::bigint
$$;

CREATE FUNCTION janus_private.setting_on(key text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT janus_private.setting_text(key) = 'on'
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus_private FROM PUBLIC;

-- A view checks the functions it calls against its reader, not its owner.
SELECT janus_private.grant_to(r.kind, p.privilege)
FROM (VALUES ('client'), ('admin'), ('daemon')) AS r (kind), unnest(ARRAY[
    'EXECUTE ON FUNCTION janus_private.caller, janus_private.is_admin',
    'SELECT ON janus.jobs, janus.attempts, janus.webhook_deliveries, janus.workers'
]) AS p (privilege);

SELECT janus_private.grant_to(kind, 'SELECT ON janus.queue_depth')
FROM janus_private.role_name WHERE kind IN ('monitor', 'admin', 'daemon');

SELECT janus_private.grant_to('daemon', 'EXECUTE ON FUNCTION janus_private.event_body, janus_private.emit,
    janus_private.setting_text, janus_private.setting_int');
