-- What people and webhooks see of jobs.

-- Cancels -----------------------------------------------------------------------------------------------------

-- Without reference to the job, whose row it would lock, and without an index that could make one wait for another.
CREATE TABLE janus_private.cancellation (
    job bigint NOT NULL,
    generation int NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE janus_private.cancellation IS 'Jobs that were asked to stop: who asks changes no running job, its daemon reads here. Rows go with their job.';
CREATE INDEX cancellation_job ON janus_private.cancellation (job, generation);

CREATE FUNCTION janus_private.is_cancel_requested(job_id bigint, generation int) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM janus_private.cancellation c WHERE c.job = $1 AND c.generation = $2);

-- Who sees what -----------------------------------------------------------------------------------------------

-- A role and those whose rights it inherits: by what is written down, so a superuser, who may do everything, inherits
-- nothing by that. Where the server keeps it for each membership (16 and later) that counts, and one of several grants of
-- one membership is enough; before, it is the member's own attribute.
CREATE FUNCTION janus_private.inherited_roles(role oid) RETURNS oid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE inherited (role) AS (
            SELECT inherited_roles.role
            UNION
            SELECT m.roleid FROM inherited i
            JOIN pg_auth_members m ON m.member = i.role
            JOIN pg_roles r ON r.oid = m.member
            WHERE coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)
        )
        SELECT i.role FROM inherited i);
END $$;

-- One row: the roles whose jobs are seen, and whether all are; for whoever the server runs the statement as. In the owner's
-- functions that is the owner, so they are told who asks.
CREATE VIEW janus_private.reader AS
SELECT x.roles, (SELECT n.role FROM janus_private.role_name n WHERE n.kind = 'admin') = ANY (x.roles) AS is_admin
FROM (SELECT janus_private.inherited_roles(r.oid) AS roles FROM pg_roles r WHERE r.rolname = current_user OFFSET 0) AS x;

CREATE FUNCTION janus_private.sees(caller regrole, owner regrole) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roles CONSTANT oid[] := janus_private.inherited_roles(caller);
BEGIN
    RETURN owner = ANY (roles) OR (SELECT n.role FROM janus_private.role_name n WHERE n.kind = 'admin') = ANY (roles);
END $$;

-- Jobs --------------------------------------------------------------------------------------------------------

-- Every job as people read it; janus.jobs shows each reader a part. Only grows at the end, before `role`.
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
    coalesce(j.error, CASE WHEN j.state = 'queued' THEN (
        SELECT jsonb_build_object('code', 'model_failed', 'message', min(d.failed_models ->> j.model), 'retryable', true)
        FROM janus_private.daemon d
        WHERE j.model = ANY (d.models) AND j.queue = ANY (d.queues)
            AND d.seen_at > now() - make_interval(secs => d.lease_seconds)
        HAVING bool_and(d.failed_models ? j.model)) END) AS error,
    j.usage,
    j.metadata,
    pg_get_userbyid(j.owner) AS owner,
    j.priority,
    j.max_attempts,
    j.due_at AS run_at,
    j.expires_at,
    (SELECT min(c.requested_at) FROM janus_private.cancellation c WHERE c.job = j.id AND c.generation = j.generation)
        AS cancel_requested_at,
    j.finish_reason,
    (i.task ->> 'seed')::bigint AS seed,
    i.task AS arguments,
    -- without query strings: they are signatures
    ARRAY(SELECT split_part(u, '?', 1) FROM unnest(j.upload_to) WITH ORDINALITY AS x (u, n) ORDER BY n) AS upload_to,
    j.idempotency_key,
    nullif(j.concurrency_key, '') AS concurrency_key,
    j.traceparent,
    j.owner AS role
FROM janus_private.job j
LEFT JOIN janus_private.input i ON i.job = j.id
LEFT JOIN janus_private.run r ON r.job = j.id;

-- Two halves, so that what a client sees is found by the index of owners; the second is for administrators only.
CREATE VIEW janus_private.visible_status AS
SELECT * FROM janus_private.job_status s WHERE s.role = ANY ((SELECT r.roles FROM janus_private.reader r)::oid[])
UNION ALL
SELECT * FROM janus_private.job_status s
WHERE (SELECT r.is_admin FROM janus_private.reader r) AND s.role <> ALL ((SELECT r.roles FROM janus_private.reader r)::oid[]);

CREATE VIEW janus.jobs WITH (security_barrier) AS
SELECT id, uuid, queue, kind, model, state, phase, progress, attempt, created_at, started_at, finished_at, text, outputs, error,
    usage, metadata, owner, priority, max_attempts, run_at, expires_at, cancel_requested_at, finish_reason, seed, arguments, upload_to,
    idempotency_key, concurrency_key, traceparent
FROM janus_private.visible_status;
COMMENT ON VIEW janus.jobs IS 'Your jobs, and those of roles whose rights you inherit; an administrator sees all. janus.list pages through them.';
COMMENT ON COLUMN janus.jobs.id IS 'What the enqueueing function returned.';
COMMENT ON COLUMN janus.jobs.uuid IS 'The same job in names of uploaded files.';
COMMENT ON COLUMN janus.jobs.queue IS 'As given.';
COMMENT ON COLUMN janus.jobs.kind IS 'generate, understand or chat.';
COMMENT ON COLUMN janus.jobs.model IS 'As given, or the default when it was enqueued. NULL: no daemon has ever said what the default is.';
COMMENT ON COLUMN janus.jobs.state IS 'queued, running, succeeded, failed or canceled.';
COMMENT ON COLUMN janus.jobs.phase IS 'While running: preparing, prefill, drawing, decoding or delivering.';
COMMENT ON COLUMN janus.jobs.progress IS 'Per cent: 0 while queued, 100 once succeeded, NULL once failed or canceled.';
COMMENT ON COLUMN janus.jobs.attempt IS 'Attempts charged so far, the running one included.';
COMMENT ON COLUMN janus.jobs.created_at IS 'When it was enqueued: the time of the transaction.';
COMMENT ON COLUMN janus.jobs.started_at IS 'When the latest attempt began.';
COMMENT ON COLUMN janus.jobs.finished_at IS 'When it ended for good.';
COMMENT ON COLUMN janus.jobs.text IS 'The answer; NULL for pictures.';
COMMENT ON COLUMN janus.jobs.outputs IS 'An array of {index, media_type, width, height, bytes, sha256, urls, in_database}, in order; NULL without outputs. An answer is one output of type text/plain.';
COMMENT ON COLUMN janus.jobs.error IS '{code, message, retryable}: why it failed, or why the last attempt did while another is due; model_failed while it waits and no worker of its model starts anywhere.';
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

-- Counted for every row that is read, so it is a view of its own, for janus.status. What comes before a job in any case: its
-- own line (owner and concurrency_key) in its priority, and the lines of better priorities; the lines of one priority take
-- turns. At most a thousand each are looked at, in the order of job_claim, which leaves no other index to choose.
CREATE VIEW janus.job_status WITH (security_barrier) AS
SELECT s.id, s.uuid, s.queue, s.kind, s.model, s.state, s.phase, s.progress, s.attempt, s.created_at, s.started_at, s.finished_at,
    s.text, s.outputs, s.error, s.usage, s.metadata, s.owner, s.priority, s.max_attempts, s.run_at, s.expires_at, s.cancel_requested_at,
    s.finish_reason, s.seed, s.arguments, s.upload_to, s.idempotency_key, s.concurrency_key, s.traceparent,
    CASE WHEN s.state = 'queued' AND s.run_at <= now() AND s.model IS NOT NULL THEN least(1001, 1
        + (SELECT count(*) FROM (
            SELECT FROM janus_private.job a
            WHERE a.state = 'queued' AND a.model = s.model AND a.queue = s.queue AND a.priority = s.priority AND a.owner = s.role
                AND a.concurrency_key = coalesce(s.concurrency_key, '') AND (a.due_at, a.id) < (s.run_at, s.id)
            ORDER BY a.due_at, a.id LIMIT 1000) AS own_line)
        + (SELECT count(*) FROM (
            SELECT a.due_at FROM janus_private.job a
            WHERE a.state = 'queued' AND a.model = s.model AND a.queue = s.queue AND a.priority < s.priority
            ORDER BY a.priority, a.owner, a.concurrency_key, a.due_at, a.id LIMIT 1000) AS better WHERE better.due_at <= now()))
    END AS queue_position
FROM janus_private.visible_status s;
COMMENT ON VIEW janus.job_status IS 'A row of janus.jobs and its place in the queue, which is counted for each row: for one job at a time, as janus.status asks.';
DO $$
BEGIN
    EXECUTE (SELECT string_agg(format('COMMENT ON COLUMN janus.job_status.%I IS %L', a.attname, col_description(a.attrelid, a.attnum)), '; ')
        FROM pg_attribute a WHERE a.attrelid = 'janus.jobs'::regclass AND a.attnum > 0);
END $$;
COMMENT ON COLUMN janus.job_status.queue_position IS '1 for the next, counted up to 1001; NULL while not due. Counted are the jobs that are due before it with its owner and concurrency_key, and those of better priorities; owners and keys take turns.';

-- What janus.list and janus.counts pick from: so many of each state, and owner, are found by an index that has nothing but
-- these columns. Whoever wants one state asks for a range of it, so that the order below is that of these indexes alone.
CREATE VIEW janus.job_keys WITH (security_barrier) AS
SELECT j.id, j.owner AS role, j.state FROM janus_private.job j
WHERE (SELECT r.is_admin FROM janus_private.reader r) OR j.owner = ANY ((SELECT r.roles FROM janus_private.reader r)::oid[])
ORDER BY j.state DESC, j.id DESC;
COMMENT ON VIEW janus.job_keys IS 'What janus.list and janus.counts pick from: ids, owners and states alone.';
COMMENT ON COLUMN janus.job_keys.id IS 'As in janus.jobs.';
COMMENT ON COLUMN janus.job_keys.role IS 'The owner.';
COMMENT ON COLUMN janus.job_keys.state IS 'As in janus.jobs.';

CREATE VIEW janus.visible_roles WITH (security_barrier) AS
SELECT v.role::regrole AS role, r.is_admin FROM janus_private.reader r CROSS JOIN unnest(r.roles) AS v (role);
COMMENT ON VIEW janus.visible_roles IS 'Whose jobs you see: your role, and those whose rights it inherits.';
COMMENT ON COLUMN janus.visible_roles.role IS 'The role.';
COMMENT ON COLUMN janus.visible_roles.is_admin IS 'Whether you see everybody''s, as an administrator.';

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
    pg_get_userbyid(j.owner) AS owner,
    CASE WHEN a.outcome <> 'succeeded' THEN a.uploads || a.files ELSE '{}' END AS orphans
FROM janus_private.attempt a JOIN janus_private.job j ON j.id = a.job
WHERE j.owner = ANY ((SELECT r.roles FROM janus_private.reader r)::oid[]) OR (SELECT r.is_admin FROM janus_private.reader r);
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
COMMENT ON COLUMN janus.attempts.orphans IS 'What it may have left at sinks, as it did not succeed. Files are removed by their host; other objects are yours to delete.';

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
    pg_get_userbyid(d.owner) AS owner
FROM janus_private.webhook_delivery d
WHERE d.owner = ANY ((SELECT r.roles FROM janus_private.reader r)::oid[]) OR (SELECT r.is_admin FROM janus_private.reader r);
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
    d.seen_at,
    d.failed_models
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
COMMENT ON COLUMN janus.workers.failed_models IS '{model: why} of those of which no worker starts; the daemon goes on trying.';

-- Each line (queue and model) is found by a step in the index; what waits in it is counted up to a bound, what runs in `run`.
-- A function for its settings: where most of `job` is queued, the planner would read all of it.
CREATE FUNCTION janus_private.queue_lines() RETURNS TABLE (queue text, model text, waiting bigint, scheduled bigint, running bigint,
    oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH RECURSIVE queued AS (
            (SELECT j.queue, j.model FROM janus_private.job j WHERE j.state = 'queued' ORDER BY j.queue, j.model LIMIT 1)
            UNION ALL
            SELECT n.queue, n.model FROM queued q CROSS JOIN LATERAL (
                SELECT j.queue, j.model FROM janus_private.job j
                WHERE j.state = 'queued' AND (j.queue, j.model) > (q.queue, q.model) ORDER BY j.queue, j.model LIMIT 1) AS n
        ), line AS (
            SELECT q.queue, q.model,
                (SELECT count(*) FROM (SELECT FROM janus_private.job j
                    WHERE j.state = 'queued' AND j.queue = q.queue AND j.model = q.model AND j.due_at <= now() LIMIT 10000) AS x) AS waiting,
                (SELECT count(*) FROM (SELECT FROM janus_private.job j
                    WHERE j.state = 'queued' AND j.queue = q.queue AND j.model = q.model AND j.due_at > now() LIMIT 10000) AS x) AS scheduled,
                (SELECT min(j.due_at) FROM janus_private.job j
                    WHERE j.state = 'queued' AND j.queue = q.queue AND j.model = q.model) AS oldest, 0 AS running
            FROM queued q WHERE q.model IS NOT NULL
            UNION ALL
            -- before the first daemon ever
            SELECT j.queue, NULL, count(*) FILTER (WHERE j.due_at <= now()), count(*) FILTER (WHERE j.due_at > now()), min(j.due_at), 0
            FROM janus_private.job j WHERE j.state = 'queued' AND j.model IS NULL GROUP BY j.queue
            UNION ALL
            SELECT j.queue, j.model, 0, 0, NULL, count(*)
            FROM janus_private.run r CROSS JOIN LATERAL (SELECT x.queue, x.model FROM janus_private.job x WHERE x.id = r.job LIMIT 1) AS j
            GROUP BY j.queue, j.model
        )
        SELECT l.queue, l.model, sum(l.waiting)::bigint, sum(l.scheduled)::bigint, sum(l.running)::bigint, min(l.oldest)
        FROM line l GROUP BY l.queue, l.model;
END $$;

CREATE VIEW janus.queue_depth AS
SELECT
    l.queue,
    l.model,
    l.waiting,
    l.scheduled,
    l.running,
    greatest(coalesce(extract(epoch FROM now() - l.oldest), 0), 0)::double precision AS oldest_waiting_seconds,
    EXISTS (SELECT FROM janus_private.paused_queue p WHERE p.queue = l.queue) AS paused
FROM janus_private.queue_lines() l;
COMMENT ON VIEW janus.queue_depth IS 'Jobs waiting and running by queue and model: for monitoring and autoscaling.';
COMMENT ON COLUMN janus.queue_depth.queue IS 'Name of the queue.';
COMMENT ON COLUMN janus.queue_depth.model IS 'Name of the model; NULL as in janus.jobs.';
COMMENT ON COLUMN janus.queue_depth.waiting IS 'Queued and due, counted up to 10000.';
COMMENT ON COLUMN janus.queue_depth.scheduled IS 'Queued and due later, counted up to 10000.';
COMMENT ON COLUMN janus.queue_depth.running IS 'Running now.';
COMMENT ON COLUMN janus.queue_depth.oldest_waiting_seconds IS 'How long the oldest due job has been due; 0 where none waits.';
COMMENT ON COLUMN janus.queue_depth.paused IS 'Whether janus.pause stops this queue.';

-- Waking -----------------------------------------------------------------------------------------------------

-- Every NOTIFY goes through here. Nothing is said where an administrator wants none, or where the transaction does not (SET
-- LOCAL janus.notify = 'off'): prepared transactions must not. Nor while the server's one queue of notifications is nearly
-- full, which any role of any of its databases can make it: COMMIT would fail. Everybody polls besides.
CREATE FUNCTION janus_private.wake(channel text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF janus_private.setting_on('notify') AND current_setting('janus.notify', true) IS DISTINCT FROM 'off'
        AND pg_notification_queue_usage() < 0.9 THEN
        PERFORM pg_notify(channel, '');
    END IF;
END $$;

CREATE TABLE janus_private.channel (
    owner regrole PRIMARY KEY,
    name text NOT NULL
);
COMMENT ON TABLE janus_private.channel IS 'Where owners hear of the ends of their jobs: anybody may LISTEN, so its name is a secret of the owner''s.';

-- The webhook's {type, timestamp, data}: the job as it is now. Ids and seeds are strings, as JavaScript loses
-- integers beyond 2^53; times are in UTC whatever the session says.
CREATE FUNCTION janus_private.event_body(job_id bigint, event text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT jsonb_build_object('type', 'job.' || event, 'timestamp', to_jsonb(now()), 'data',
        to_jsonb(s) - 'role' || jsonb_build_object('id', s.id::text, 'seed', s.seed::text))::text
    FROM janus_private.job_status s WHERE s.id = job_id
$$;

-- The end of a job: wakes its owner, if it asked for a channel, and writes the outbox row, in the transaction of the state
-- change. Called as a statement of its own after that change, since it reads the job as it then is.
CREATE FUNCTION janus_private.emit(job_id bigint, event text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    heard text := (SELECT c.name FROM janus_private.channel c JOIN janus_private.job j ON j.owner = c.owner WHERE j.id = job_id);
BEGIN
    IF heard IS NOT NULL THEN
        PERFORM janus_private.wake(heard);
    END IF;
    INSERT INTO janus_private.webhook_delivery (job, owner, generation, message_id, type, url, body)
    SELECT j.id, j.owner, j.generation, 'msg_' || replace(gen_random_uuid()::text, '-', ''), 'job.' || event,
        j.webhook_url, janus_private.event_body(j.id, event)
    FROM janus_private.job j
    WHERE j.id = job_id AND j.webhook_url IS NOT NULL AND event = ANY (j.webhook_events);
    IF FOUND THEN
        PERFORM janus_private.wake('janus_control');
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

-- A view checks the functions it calls against its reader, not its owner.
SELECT janus_private.grant_to(r.kind, p.privilege)
FROM (VALUES ('client'), ('admin'), ('daemon')) AS r (kind), unnest(ARRAY[
    'EXECUTE ON FUNCTION janus_private.inherited_roles',
    'SELECT ON janus.jobs, janus.job_status, janus.job_keys, janus.visible_roles, janus.attempts, janus.webhook_deliveries, janus.workers'
]) AS p (privilege);

SELECT janus_private.grant_to(r.kind, p.privilege)
FROM (VALUES ('monitor'), ('admin'), ('daemon')) AS r (kind), unnest(ARRAY['EXECUTE ON FUNCTION janus_private.queue_lines',
    'SELECT ON janus.queue_depth']) AS p (privilege);

SELECT janus_private.grant_to('daemon', privilege) FROM unnest(ARRAY[
    'EXECUTE ON FUNCTION janus_private.event_body, janus_private.emit, janus_private.wake, janus_private.setting_text,
        janus_private.setting_int, janus_private.setting_on, janus_private.is_cancel_requested',
    'SELECT, DELETE ON janus_private.cancellation'
]) AS privilege;
SELECT janus_private.seal();
