-- What people and webhooks see of jobs.

-- Who asks: the active SET ROLE, else the session's user. Inside SECURITY DEFINER functions current_user is the
-- definer, so it cannot tell.
CREATE FUNCTION janus_private.caller() RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;

-- The same as what tables hold of an owner.
CREATE FUNCTION janus_private.caller_role() RETURNS regrole
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT to_regrole(quote_ident(janus_private.caller()))
$$;

CREATE FUNCTION janus_private.is_admin() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bool_or(pg_has_role(janus_private.caller(), r.oid, 'MEMBER')), false)
    FROM janus_private.role_name n JOIN pg_roles r ON r.rolname = n.name
    WHERE n.kind = 'admin'
$$;

-- Owners whose rows the caller sees, besides an administrator, who sees all (those of dropped roles too).
CREATE VIEW janus_private.visible_owner AS
    SELECT oid::regrole AS owner FROM pg_roles WHERE pg_has_role(janus_private.caller(), oid, 'MEMBER');

CREATE FUNCTION janus_private.sees(owner regrole) RETURNS boolean
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
    CASE WHEN j.state = 'queued' AND j.due_at <= now() AND j.model IS NOT NULL THEN 1 + (
        SELECT count(*) FROM (
            SELECT FROM janus_private.job a
            WHERE a.state = 'queued' AND a.model = j.model AND a.queue = j.queue
                AND (a.priority, a.due_at, a.id) < (j.priority, j.due_at, j.id) AND a.due_at <= now()
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
    j.due_at AS run_at,
    j.expires_at,
    j.cancel_requested_at,
    j.finish_reason,
    (i.task ->> 'seed')::bigint AS seed,
    i.task AS arguments,
    -- without query strings: they are signatures
    ARRAY(SELECT split_part(u, '?', 1) FROM unnest(j.upload_to) WITH ORDINALITY AS x (u, n) ORDER BY n) AS upload_to,
    j.idempotency_key,
    nullif(j.concurrency_key, '') AS concurrency_key,
    j.traceparent
FROM janus_private.job j
JOIN janus_private.input i ON i.job = j.id
LEFT JOIN janus_private.run r ON r.job = j.id;

CREATE VIEW janus.jobs WITH (security_barrier) AS
SELECT * FROM janus_private.job_status s
WHERE s.owner IN (SELECT owner FROM janus_private.visible_owner) OR (SELECT janus_private.is_admin());
COMMENT ON VIEW janus.jobs IS 'Your jobs, and those of roles that you are a member of; an administrator sees all.';
COMMENT ON COLUMN janus.jobs.id IS 'What the enqueueing function returned.';
COMMENT ON COLUMN janus.jobs.uuid IS 'The same job in names of uploaded files.';
COMMENT ON COLUMN janus.jobs.queue IS 'As given.';
COMMENT ON COLUMN janus.jobs.kind IS 'generate, understand or chat.';
COMMENT ON COLUMN janus.jobs.model IS 'As given, or the default when it was enqueued. NULL: no daemon has ever said what the default is.';
COMMENT ON COLUMN janus.jobs.state IS 'queued, running, succeeded, failed or canceled.';
COMMENT ON COLUMN janus.jobs.phase IS 'While running: preparing, prefill, drawing, decoding or delivering.';
COMMENT ON COLUMN janus.jobs.progress IS 'Per cent: 0 while queued, 100 once succeeded, NULL once failed or canceled.';
COMMENT ON COLUMN janus.jobs.queue_position IS '1 for the next of its model and queue, counted up to 1001; NULL while not due.';
COMMENT ON COLUMN janus.jobs.attempt IS 'Attempts charged so far, the running one included.';
COMMENT ON COLUMN janus.jobs.created_at IS 'When it was enqueued: the time of the transaction.';
COMMENT ON COLUMN janus.jobs.started_at IS 'When the latest attempt began.';
COMMENT ON COLUMN janus.jobs.finished_at IS 'When it ended for good.';
COMMENT ON COLUMN janus.jobs.text IS 'The answer; NULL for pictures.';
COMMENT ON COLUMN janus.jobs.outputs IS 'An array of {index, media_type, width, height, bytes, sha256, urls, in_database}, in order; NULL without outputs. An answer is one output of type text/plain.';
COMMENT ON COLUMN janus.jobs.error IS '{code, message, retryable}: why it failed, or why the last attempt did while another is due.';
COMMENT ON COLUMN janus.jobs.usage IS '{prompt_tokens, output_tokens, images, prefill_seconds, drawing_seconds, decoding_seconds} of the attempt that succeeded.';
COMMENT ON COLUMN janus.jobs.metadata IS 'As given.';
COMMENT ON COLUMN janus.jobs.owner IS 'The role that enqueued it.';
COMMENT ON COLUMN janus.jobs.priority IS 'As given: 0 first, 9 last.';
COMMENT ON COLUMN janus.jobs.max_attempts IS 'As given.';
COMMENT ON COLUMN janus.jobs.run_at IS 'Not started before, and its place in line: run_at as given, or when it was enqueued where that is later; a retry moves it.';
COMMENT ON COLUMN janus.jobs.expires_at IS 'Fails with code expired if it waits until then.';
COMMENT ON COLUMN janus.jobs.cancel_requested_at IS 'When janus.cancel was called.';
COMMENT ON COLUMN janus.jobs.finish_reason IS 'Why an answer ended: stop (by the model or a stop string) or length (max_tokens).';
COMMENT ON COLUMN janus.jobs.seed IS 'As given, or drawn when it was enqueued.';
COMMENT ON COLUMN janus.jobs.arguments IS 'The arguments of its kind, as resolved; the seed as a string.';
COMMENT ON COLUMN janus.jobs.upload_to IS 'As given, without query strings, which are signatures.';
COMMENT ON COLUMN janus.jobs.idempotency_key IS 'As given.';
COMMENT ON COLUMN janus.jobs.concurrency_key IS 'As given.';
COMMENT ON COLUMN janus.jobs.traceparent IS 'As given.';

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
COMMENT ON COLUMN janus.attempts.job IS 'The job''s id.';
COMMENT ON COLUMN janus.attempts.run_lease IS 'Ordinal of the claim within the job; part of the names of uploaded files.';
COMMENT ON COLUMN janus.attempts.attempt IS 'Ordinal of the charged attempt; a hand-over gives its number back.';
COMMENT ON COLUMN janus.attempts.started_at IS 'When the job was claimed.';
COMMENT ON COLUMN janus.attempts.ended_at IS 'NULL while it runs.';
COMMENT ON COLUMN janus.attempts.outcome IS 'succeeded, failed, canceled, released (handed back uncharged) or lease_expired (its host stopped renewing).';
COMMENT ON COLUMN janus.attempts.state IS 'What became of the job: queued, succeeded, failed or canceled.';
COMMENT ON COLUMN janus.attempts.error IS '{code, message, retryable}, as in janus.jobs.';
COMMENT ON COLUMN janus.attempts.host IS 'Name of the host that ran it.';
COMMENT ON COLUMN janus.attempts.daemon IS 'Its daemon''s instance, as in janus.workers.';
COMMENT ON COLUMN janus.attempts.generation IS '1, and one more with every janus.retry.';
COMMENT ON COLUMN janus.attempts.owner IS 'The job''s owner.';

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
WHERE d.owner IN (SELECT pg_get_userbyid(owner) FROM janus_private.visible_owner) OR (SELECT janus_private.is_admin());
COMMENT ON VIEW janus.webhook_deliveries IS 'Calls of your webhooks, made and to be made; janus.redeliver(id) repeats one. job.started and job.progress are best effort and not listed.';
COMMENT ON COLUMN janus.webhook_deliveries.id IS 'What janus.redeliver takes.';
COMMENT ON COLUMN janus.webhook_deliveries.job IS 'The job''s id.';
COMMENT ON COLUMN janus.webhook_deliveries.type IS 'job.succeeded, job.failed or job.canceled.';
COMMENT ON COLUMN janus.webhook_deliveries.state IS 'pending, delivered (2xx) or abandoned: the receiver answered 410, the URL is none or may not be called from here, or all tries are used up.';
COMMENT ON COLUMN janus.webhook_deliveries.attempts IS 'Calls so far.';
COMMENT ON COLUMN janus.webhook_deliveries.last_status IS 'HTTP status of the last call; NULL: no answer.';
COMMENT ON COLUMN janus.webhook_deliveries.last_error IS 'Why the last call failed.';
COMMENT ON COLUMN janus.webhook_deliveries.next_attempt_at IS 'While pending: when it is called next.';
COMMENT ON COLUMN janus.webhook_deliveries.created_at IS 'When the job''s state changed.';
COMMENT ON COLUMN janus.webhook_deliveries.finished_at IS 'When it was delivered or abandoned.';
COMMENT ON COLUMN janus.webhook_deliveries.url IS 'As given, without query string, which may be a signature.';
COMMENT ON COLUMN janus.webhook_deliveries.message_id IS 'Header webhook-id, the same for every try.';
COMMENT ON COLUMN janus.webhook_deliveries.body IS 'What is sent: {type, timestamp, data}.';
COMMENT ON COLUMN janus.webhook_deliveries.owner IS 'The job''s owner, whose secret signs it.';

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
COMMENT ON COLUMN janus.workers.host IS 'Name of its host.';
COMMENT ON COLUMN janus.workers.instance IS 'Random for every start of a daemon.';
COMMENT ON COLUMN janus.workers.version IS 'Of janusd.';
COMMENT ON COLUMN janus.workers.models IS 'Names of the models that it serves.';
COMMENT ON COLUMN janus.workers.queues IS 'Names of the queues that it serves.';
COMMENT ON COLUMN janus.workers.alive IS 'Whether it was seen within its lease.';
COMMENT ON COLUMN janus.workers.running IS 'Jobs that it holds.';
COMMENT ON COLUMN janus.workers.started_at IS 'When it registered.';
COMMENT ON COLUMN janus.workers.seen_at IS 'Its last sign of life.';

CREATE VIEW janus.queue_depth AS
SELECT
    j.queue,
    j.model,
    count(*) FILTER (WHERE j.state = 'queued' AND j.due_at <= now()) AS waiting,
    count(*) FILTER (WHERE j.state = 'queued' AND j.due_at > now()) AS scheduled,
    count(*) FILTER (WHERE j.state = 'running') AS running,
    coalesce(extract(epoch FROM now() - min(j.due_at) FILTER (WHERE j.state = 'queued' AND j.due_at <= now())), 0)
        ::double precision AS oldest_waiting_seconds,
    EXISTS (SELECT FROM janus_private.paused_queue p WHERE p.queue = j.queue) AS paused
FROM janus_private.job j
WHERE j.state IN ('queued', 'running')
GROUP BY j.queue, j.model;
COMMENT ON VIEW janus.queue_depth IS 'Jobs waiting and running by queue and model: for monitoring and autoscaling.';
COMMENT ON COLUMN janus.queue_depth.queue IS 'Name of the queue.';
COMMENT ON COLUMN janus.queue_depth.model IS 'Name of the model; NULL as in janus.jobs.';
COMMENT ON COLUMN janus.queue_depth.waiting IS 'Queued and due.';
COMMENT ON COLUMN janus.queue_depth.scheduled IS 'Queued and due later.';
COMMENT ON COLUMN janus.queue_depth.running IS 'Running now.';
COMMENT ON COLUMN janus.queue_depth.oldest_waiting_seconds IS 'How long the oldest due job has been due; 0 where none waits.';
COMMENT ON COLUMN janus.queue_depth.paused IS 'Whether janus.pause stops this queue.';

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
    SELECT j.id, pg_get_userbyid(j.owner), j.generation, 'msg_' || replace(gen_random_uuid()::text, '-', ''), 'job.' || event,
        j.webhook_url, janus_private.event_body(j.id, event)
    FROM janus_private.job j
    WHERE j.id = job_id AND j.webhook_url IS NOT NULL AND event = ANY (j.webhook_events);
    IF FOUND THEN
        PERFORM pg_notify('janus_control', '');
    END IF;
END $$;

-- PL/pgSQL keeps their plans, which SQL functions of their kind make anew with every call: enqueueing looks up a dozen.
CREATE FUNCTION janus_private.setting_text(key text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(s.value, s.default_value) FROM janus_private.setting s WHERE s.key = setting_text.key);
END $$;

CREATE FUNCTION janus_private.setting_int(key text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN janus_private.setting_text(key)::bigint;
END $$;

CREATE FUNCTION janus_private.setting_on(key text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN janus_private.setting_text(key) = 'on';
END $$;

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
