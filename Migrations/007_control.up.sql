-- Everything else that people call: reading, canceling, retrying, secrets, grants, settings, pauses.

-- The job as it is, or an error: a job that is not the caller's does not exist for it. Takes no lock.
CREATE FUNCTION janus_private.job_of(caller regrole, job_id bigint) RETURNS janus_private.job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine janus_private.job;
BEGIN
    SELECT * INTO mine FROM janus_private.job j WHERE j.id = job_id;
    IF mine.id IS NULL OR NOT janus_private.sees(caller, mine.owner) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no job %s, or it is not yours', coalesce(job_id::text, 'NULL')),
            HINT = 'Your jobs are in janus.jobs. Finished ones are pruned after a while.';
    END IF;
    RETURN mine;
END $$;

-- Locks a job if it is in one of these states by then, and returns the state it is in: NULL if it is gone. A lock that was
-- got on a job in another state is given back at once, with the block's savepoint, so that no client's transaction ever
-- keeps one on a job that runs.
CREATE FUNCTION janus_private.lock_in(job_id bigint, states text[]) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_state text;
BEGIN
    SELECT j.state INTO found_state FROM janus_private.job j WHERE j.id = job_id FOR UPDATE;
    IF found_state = ANY (states) THEN
        RETURN found_state;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'UNDOI';
EXCEPTION WHEN SQLSTATE 'UNDOI' THEN
    RETURN found_state;
END $$;

-- Runs with the caller's rights: the view shows what may be seen.
CREATE FUNCTION janus.status(job bigint) RETURNS SETOF janus.job_status
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
BEGIN
    RETURN QUERY SELECT * FROM janus.job_status j WHERE j.id = status.job;
END $$;
COMMENT ON FUNCTION janus.status IS $$One row on a job: state, phase, progress, place in the queue, result or error.

job: The id that the enqueueing function returned.
Returns: The job's row of janus.jobs, with queue_position; no row if there is no such job, or it is not yours.$$;

-- Ids first, as many as may be wanted of each owner and state, then the rows. Runs with the caller's rights.
CREATE FUNCTION janus.list(state text = NULL, before bigint = NULL, most int = 50) RETURNS SETOF janus.jobs
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    known CONSTANT text[] := '{queued,running,succeeded,failed,canceled}';
    states text[] := CASE WHEN state IS NULL THEN known ELSE ARRAY[state] END;
    below CONSTANT bigint := coalesce(before, 9223372036854775807);
    picked bigint[];
BEGIN
    IF state <> ALL (known) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('state is %L: there is no such state', left(state, 80)),
            HINT = format('States are %s.', array_to_string(known, ', '));
    ELSIF most IS NULL OR most NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('most is %s: it must be between 1 and 1000', coalesce(most::text, 'NULL')),
            HINT = 'Page on by before, the last id that you have.';
    END IF;
    IF EXISTS (SELECT FROM janus.visible_roles v WHERE v.is_admin) THEN
        picked := ARRAY(
            SELECT k.id FROM unnest(states) AS s (state)
            CROSS JOIN LATERAL (
                SELECT x.id FROM janus.job_keys x WHERE (x.state, x.id) < (s.state, below) AND x.state >= s.state
                ORDER BY x.state DESC, x.id DESC LIMIT most) AS k
            ORDER BY k.id DESC LIMIT most);
    ELSE
        picked := ARRAY(
            SELECT k.id FROM janus.visible_roles v CROSS JOIN unnest(states) AS s (state)
            CROSS JOIN LATERAL (
                SELECT x.id FROM janus.job_keys x WHERE x.role = v.role AND (x.state, x.id) < (s.state, below) AND x.state >= s.state
                ORDER BY x.state DESC, x.id DESC LIMIT most) AS k
            ORDER BY k.id DESC LIMIT most);
    END IF;
    RETURN QUERY SELECT * FROM janus.jobs j WHERE j.id = ANY (picked) ORDER BY j.id DESC;
END $$;
COMMENT ON FUNCTION janus.list IS $$Your latest jobs, the newest first, a page at a time.

state: Only jobs in this state. NULL: in any.
before: Only jobs with smaller ids: to page on, the last id of the page before. NULL: from the newest.
most: The length of a page, 1 to 1000.
Returns: Rows of janus.jobs, by id from the greatest.
22023: There is no such state, or most is outside of its limits.$$;

CREATE FUNCTION janus.counts() RETURNS TABLE (state text, jobs bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    states CONSTANT text[] := '{queued,running,succeeded,failed,canceled}';
    most CONSTANT int := 100000;
BEGIN
    IF EXISTS (SELECT FROM janus.visible_roles v WHERE v.is_admin) THEN
        RETURN QUERY SELECT s.state, (SELECT count(*) FROM (SELECT FROM janus.job_keys x WHERE x.state BETWEEN s.state AND s.state LIMIT most) AS k)
            FROM unnest(states) AS s (state);
    ELSE
        RETURN QUERY SELECT s.state, (SELECT count(*) FROM (
                SELECT FROM janus.visible_roles v
                CROSS JOIN LATERAL (SELECT FROM janus.job_keys x WHERE x.role = v.role AND x.state BETWEEN s.state AND s.state LIMIT most) AS own
                LIMIT most) AS k)
            FROM unnest(states) AS s (state);
    END IF;
END $$;
COMMENT ON FUNCTION janus.counts IS $$How many of your jobs are in each state.

Returns: A row for each of the five states: state, and jobs, counted up to 100000.$$;

CREATE VIEW janus.outputs WITH (security_barrier) AS
SELECT o.job, o.index, o.media_type, o.data, o.urls
FROM janus_private.output o JOIN janus_private.job j ON j.id = o.job
WHERE j.owner = ANY ((SELECT r.roles FROM janus_private.reader r)::oid[]) OR (SELECT r.is_admin FROM janus_private.reader r);
COMMENT ON VIEW janus.outputs IS 'Outputs of your jobs with their bytes, where they are kept in the database; janus.output gives one.';
COMMENT ON COLUMN janus.outputs.job IS 'The job''s id.';
COMMENT ON COLUMN janus.outputs.index IS 'Which output, counted from 0.';
COMMENT ON COLUMN janus.outputs.media_type IS 'As in janus.jobs.outputs.';
COMMENT ON COLUMN janus.outputs.data IS 'The bytes; NULL where upload_to lacks db:.';
COMMENT ON COLUMN janus.outputs.urls IS 'Where it was uploaded to, without query strings.';

-- Runs with the caller's rights, as janus.status does.
CREATE FUNCTION janus.output(job bigint, index int = 0) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j record;
    o record;
    total bigint;
BEGIN
    SELECT x.state INTO j FROM janus.jobs x WHERE x.id = output.job;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no job %s, or it is not yours', coalesce(job::text, 'NULL')),
            HINT = 'Your jobs are in janus.jobs. Finished ones are pruned after a while.';
    ELSIF j.state <> 'succeeded' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('job %s has no output: it is %s', job, j.state),
            HINT = 'Wait until janus.status says succeeded.';
    END IF;
    SELECT x.job, x.data, x.urls INTO o FROM janus.outputs x WHERE x.job = output.job AND x.index = output.index;
    IF o.data IS NOT NULL THEN
        RETURN o.data;
    ELSIF o.job IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('output %s of job %s is not in the database', index, job),
            HINT = format('It was uploaded to %s. Put db: into upload_to to keep a copy here.', array_to_string(o.urls, ', '));
    END IF;
    SELECT count(*) INTO total FROM janus.outputs x WHERE x.job = output.job;
    RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('index is %s: job %s has %s outputs, counted from 0', coalesce(index::text, 'NULL'), job,
            total);
END $$;
COMMENT ON FUNCTION janus.output IS $$The bytes of one output of a succeeded job: a picture's file, or an answer's text as UTF-8.

job: The job's id.
index: Which output, counted from 0.
Returns: The bytes, whose SHA-256 is in janus.jobs.outputs.
P0002: There is no such job, or it is not yours.
22023: The job has no output of that index.
55000: The job has not succeeded, or the output is not in the database since upload_to lacks db:$$;

-- A waiting job ends at once. Of one that runs nothing is changed or locked, so that it can end: its daemon reads of the
-- request when it next renews its lease, or at the end.
CREATE FUNCTION janus_private.cancel(caller regrole, job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j janus_private.job := janus_private.job_of(caller, job);
    state text := j.state;
BEGIN
    IF state = 'queued' THEN
        state := janus_private.lock_in(j.id, '{queued}');
    END IF;
    IF state IN ('queued', 'running') THEN
        INSERT INTO janus_private.cancellation (job, generation)
        SELECT x.id, x.generation FROM janus_private.job x WHERE x.id = j.id AND NOT janus_private.is_cancel_requested(x.id, x.generation);
        IF state = 'queued' THEN
            UPDATE janus_private.job x SET state = 'canceled', finished_at = now() WHERE x.id = j.id;
            PERFORM janus_private.emit(j.id, 'canceled');
            RETURN 'canceled';
        END IF;
        PERFORM janus_private.wake('janus_control');
    END IF;
    -- gone meanwhile: not there for the caller any more either
    RETURN coalesce(state, (janus_private.job_of(caller, job)).state);
END $$;

CREATE FUNCTION janus_private.retry(caller regrole, job bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j janus_private.job := janus_private.job_of(caller, job);
    state text := j.state;
BEGIN
    IF state IN ('failed', 'canceled') THEN
        state := janus_private.lock_in(j.id, '{failed,canceled}');
    END IF;
    IF state = 'succeeded' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('job %s succeeded: only failed or canceled jobs are retried', j.id),
            HINT = 'Enqueue it again; with its seed (janus.jobs) it gives the same result.';
    ELSIF state IN ('failed', 'canceled') THEN
        PERFORM janus_private.check_queued(j.owner, j.concurrency_key, 1);
        -- The seed stays, webhooks and cancels begin a new generation. What had expired may now wait for ever.
        UPDATE janus_private.job x SET state = 'queued', due_at = clock_timestamp(), finished_at = NULL, started_at = NULL, error = NULL,
            attempts = 0, handovers = 0, is_suspect = false, generation = x.generation + 1,
            expires_at = CASE WHEN x.expires_at > now() THEN x.expires_at END
        WHERE x.id = j.id;
        PERFORM janus_private.wake('janus_queued');
        RETURN 'queued';
    END IF;
    RETURN coalesce(state, (janus_private.job_of(caller, job)).state);
END $$;

-- Hearing of ends ---------------------------------------------------------------------------------------------

-- 122 random bits, twice: any role may LISTEN to any name.
CREATE FUNCTION janus_private.random_channel() RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'janus_' || left(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), 40)
$$;

CREATE FUNCTION janus_private.channel(caller regrole) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO janus_private.channel (owner, name) SELECT caller, janus_private.random_channel()
    WHERE NOT EXISTS (SELECT FROM janus_private.channel c WHERE c.owner = caller)
    ON CONFLICT (owner) DO NOTHING;
    RETURN (SELECT c.name FROM janus_private.channel c WHERE c.owner = caller);
END $$;

CREATE FUNCTION janus_private.rotate_channel(caller regrole) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM janus_private.channel c WHERE c.owner = caller;
    RETURN janus_private.channel(caller);
END $$;

-- Webhooks ----------------------------------------------------------------------------------------------------

CREATE FUNCTION janus_private.webhook_secret(caller regrole) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN 'whsec_' || encode(janus_private.ensure_webhook_secret(caller), 'base64');
END $$;

CREATE FUNCTION janus_private.rotate_webhook_secret(caller regrole, keep interval = '1 day') RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_number('keep (in seconds)', extract(epoch FROM keep), 0, 2592000);
    UPDATE janus_private.webhook_secret s SET expires_at = now() + keep WHERE s.owner = caller AND s.expires_at IS NULL;
    RETURN janus_private.webhook_secret(caller);
END $$;

CREATE FUNCTION janus_private.redeliver(caller regrole, delivery bigint) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM janus_private.webhook_delivery d WHERE d.id = delivery AND janus_private.sees(caller, d.owner)) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no webhook delivery %s, or it is not yours', coalesce(delivery::text, 'NULL')),
            HINT = 'Yours are in janus.webhook_deliveries.';
    END IF;
    -- Whoever prunes passes by a job that is locked; it would wait for a delivery that is.
    PERFORM janus_private.lock_in(d.job, '{succeeded,failed,canceled}') FROM janus_private.webhook_delivery d WHERE d.id = delivery;
    UPDATE janus_private.webhook_delivery d SET state = 'pending', finished_at = NULL, attempts = 0, next_attempt_at = now()
    WHERE d.id = delivery;
    PERFORM janus_private.wake('janus_control');
    RETURN 'pending';
END $$;

SELECT janus_private.publish(name) FROM unnest(ARRAY['cancel', 'retry', 'channel', 'rotate_channel', 'webhook_secret',
    'rotate_webhook_secret', 'redeliver']) AS name;

COMMENT ON FUNCTION janus.cancel IS $$Cancels a queued job at once, and asks a running one to stop, which it does within a second or a step. A result that is there before stays.

job: The job's id.
Returns: The state that results for now: canceled, running, or the one that the job had ended in.
P0002: There is no such job, or it is not yours.$$;

COMMENT ON FUNCTION janus.retry IS $$Queues a failed or canceled job again, with its seed, a full set of attempts and webhooks of its own; does nothing to a queued or running one.

job: The job's id.
Returns: The state that results.
P0002: There is no such job, or it is not yours.
53400: Its role, or its concurrency_key, has as many queued jobs as an administrator allows.
55000: The job has succeeded.$$;

COMMENT ON FUNCTION janus.channel IS $$The channel on which your role hears that one of its jobs ended: LISTEN to it and look at your jobs when it speaks. Made at first use; before that nothing is said.

Returns: Its name, which is a secret, since any role may LISTEN to any channel. Payloads are empty; with setting notify off, or when the server's queue of notifications is full, nothing is said: poll besides.$$;

COMMENT ON FUNCTION janus.rotate_channel IS $$Gives your role another channel; the old one falls silent.

Returns: The new name, as janus.channel does.$$;

COMMENT ON FUNCTION janus.webhook_secret IS $$Your role's secret for verifying webhooks (Standard Webhooks), made at first use.

Returns: whsec_ and 32 bytes in base64.$$;

COMMENT ON FUNCTION janus.rotate_webhook_secret IS $$Makes a new secret for your role; until the old one expires, webhooks carry a signature by each.

keep: How long the old one signs too, 0 seconds to 30 days.
Returns: The new secret, as janus.webhook_secret does.
22023: keep is outside of its limits.$$;

COMMENT ON FUNCTION janus.redeliver IS $$Calls a webhook again, with the same webhook-id and body and a full set of tries.

delivery: Its id in janus.webhook_deliveries.
Returns: Its state, pending.
P0002: There is no such delivery, or it is not yours.$$;

-- Administration ----------------------------------------------------------------------------------------------

CREATE FUNCTION janus.configure(key text, value text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s janus_private.setting;
    checked text := value;
BEGIN
    SELECT * INTO s FROM janus_private.setting x WHERE x.key = configure.key;
    IF NOT FOUND THEN
        PERFORM janus_private.refuse(format('key is %s: there is no such setting', coalesce(quote_literal(left(key, 80)), 'NULL')),
            format('Settings: %s.', (SELECT string_agg(x.key, ', ' ORDER BY x.key) FROM janus_private.setting x)));
    ELSIF s.type = 'integer' AND value IS NOT NULL THEN
        IF value !~ '^[0-9]{1,18}$' THEN
            PERFORM janus_private.refuse(format('value of %s is %L: it must be a whole number', key, left(value, 80)), s.description);
        END IF;
        PERFORM janus_private.check_number(key, value::bigint, s.least, s.most);
        checked := value::bigint::text;
    ELSIF s.type = 'boolean' AND value IS NOT NULL THEN
        IF lower(value) NOT IN ('on', 'off', 'true', 'false', 'yes', 'no', '1', '0') THEN
            PERFORM janus_private.refuse(format('value of %s is %L: it must be on or off', key, left(value, 80)), s.description);
        END IF;
        checked := CASE WHEN value::boolean THEN 'on' ELSE 'off' END;
    ELSIF value IS NOT NULL THEN
        PERFORM janus_private.check_text(key, value, 128);
    END IF;
    UPDATE janus_private.setting x SET value = checked WHERE x.key = configure.key;
    RETURN coalesce(checked, s.default_value);
END $$;
COMMENT ON FUNCTION janus.configure IS $$Changes a setting; the list is janus.settings.

key: Its name.
value: A whole number within its bounds, on or off, or a text of at most 128 bytes, as the setting has it. NULL takes the default.
Returns: What holds now.
22023: There is no such setting, or the value is outside of its bounds.$$;

CREATE VIEW janus.settings AS
SELECT s.key, coalesce(s.value, s.default_value) AS value, s.default_value, s.unit, s.description FROM janus_private.setting s;
COMMENT ON VIEW janus.settings IS 'Limits and switches; an administrator changes them by janus.configure(key, value).';
COMMENT ON COLUMN janus.settings.key IS 'What janus.configure takes.';
COMMENT ON COLUMN janus.settings.value IS 'What holds now.';
COMMENT ON COLUMN janus.settings.default_value IS 'What holds where nobody has set it.';
COMMENT ON COLUMN janus.settings.unit IS 'Of numbers.';
COMMENT ON COLUMN janus.settings.description IS 'What it does.';

CREATE FUNCTION janus_private.check_grant(role name, prefix text) RETURNS regrole
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    meant CONSTANT oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
BEGIN
    IF meant IS NULL THEN
        PERFORM janus_private.refuse(format('role is %s: there is no such role', coalesce(quote_literal(role), 'NULL')), 'Create it first.');
    ELSIF prefix IS NULL OR prefix !~ '^file:///([A-Za-z0-9._~@:+=,-]+/)*$' OR prefix ~ '/\.\.?/' THEN
        PERFORM janus_private.refuse(format('prefix is %s: it must be a folder file:///path/', coalesce(quote_literal(left(prefix, 120)), 'NULL')),
            'End it with /, so that file:///a/ does not open file:///ab/. Other schemes need no grant.');
    END IF;
    RETURN meant;
END $$;

CREATE FUNCTION janus.grant_upload(role name, prefix text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO janus_private.upload_grant VALUES (janus_private.check_grant(role, prefix), prefix) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION janus.grant_upload IS $$Lets a role, and those that inherit its rights, upload to folders under a prefix. Daemons write only below their own files.root besides.

role: A role of this server.
prefix: file:///path/ with / at its end, of letters, digits and . _ ~ @ : + = , - only; without . or .. as a name.
Returns: Nothing; a grant that is there stays.
22023: There is no such role, or the prefix is not a folder.$$;

CREATE FUNCTION janus.revoke_upload(role name, prefix text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM janus_private.upload_grant g
    WHERE g.role = (SELECT r.oid FROM pg_roles r WHERE r.rolname = revoke_upload.role) AND g.prefix = revoke_upload.prefix;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION janus.revoke_upload IS $$Takes a grant back. Jobs already queued keep their sinks.

role: The role that it was given to.
prefix: As it was granted.
Returns: Whether there was such a grant.$$;

CREATE FUNCTION janus.pause(queue text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_text('queue', queue, 64);
    INSERT INTO janus_private.paused_queue (queue) VALUES (pause.queue) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION janus.pause IS $$Starts no more jobs of a queue; running ones go on.

queue: Its name, 1 to 64 bytes; it need not have jobs yet.
Returns: Nothing; a paused queue stays paused.
22023: queue is empty or too long.$$;

CREATE FUNCTION janus.resume(queue text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM janus_private.paused_queue p WHERE p.queue = resume.queue;
    IF FOUND THEN
        PERFORM janus_private.wake('janus_queued');
        RETURN true;
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION janus.resume IS $$Starts jobs of a paused queue again.

queue: Its name.
Returns: Whether it was paused.$$;

-- All that is a role's becomes another's: the roles may be gone, so they are given as they are kept.
CREATE FUNCTION janus.reassign(old regrole, new regrole) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved bigint;
    key text;
BEGIN
    IF old IS NULL OR new IS NULL OR old = new THEN
        PERFORM janus_private.refuse(format('old is %s and new is %s: they must be two roles', coalesce(old::text, 'NULL'),
            coalesce(new::text, 'NULL')), 'Name a role that was dropped by the number that janus.jobs shows as its owner.');
    ELSIF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = new) THEN
        PERFORM janus_private.refuse(format('new is %s: there is no such role', new), 'Create it first.');
    END IF;
    SELECT a.idempotency_key INTO key FROM janus_private.job a JOIN janus_private.job b ON b.owner = new AND b.idempotency_key = a.idempotency_key
    WHERE a.owner = old AND a.idempotency_key IS NOT NULL LIMIT 1;
    IF FOUND THEN
        PERFORM janus_private.refuse(format('both roles have a job with idempotency_key %L', key),
            'It can belong to one job of a role: wait until one of the jobs is pruned.');
    END IF;
    UPDATE janus_private.job j SET owner = new WHERE j.owner = old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    UPDATE janus_private.run r SET owner = new WHERE r.owner = old;
    UPDATE janus_private.webhook_delivery d SET owner = new
    WHERE d.owner = old;
    -- Receivers that know the old secret can verify by it for a day.
    UPDATE janus_private.webhook_secret s SET owner = new,
        expires_at = CASE WHEN EXISTS (SELECT FROM janus_private.webhook_secret x WHERE x.owner = new AND x.expires_at IS NULL)
            THEN coalesce(s.expires_at, now() + interval '1 day') ELSE s.expires_at END
    WHERE s.owner = old;
    DELETE FROM janus_private.channel c WHERE c.owner = old;
    RETURN moved;
END $$;
COMMENT ON FUNCTION janus.reassign IS $$Makes all jobs of a role another's, with its webhooks and their secrets; the new role's own secret signs first, if it has one. Grants of janus.grant_upload, limits and the channel are not handed on.

old: The role that has them; one that was dropped by its number.
new: The role that shall have them.
Returns: How many jobs.
22023: They are one role, new does not exist, or both have a job with the same idempotency_key.
42704: There is no role of that name.$$;

-- A daemon names the default model if nobody has, and with it the jobs that waited for a name; returns how many. One
-- call is not enough: a job may be enqueued before it and committed after.
CREATE FUNCTION janus_private.ensure_default_model(model text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named bigint;
BEGIN
    UPDATE janus_private.setting s SET value = ensure_default_model.model WHERE s.key = 'default_model' AND s.value IS NULL;
    UPDATE janus_private.job j SET model = janus_private.setting_text('default_model')
    WHERE j.id IN (SELECT x.id FROM janus_private.job x WHERE x.model IS NULL AND x.state = 'queued' ORDER BY x.id FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS named = ROW_COUNT;
    IF named > 0 THEN
        PERFORM janus_private.wake('janus_queued');
    END IF;
    RETURN named;
END $$;

SELECT janus_private.grant_to(r.kind, p.privilege)
FROM (VALUES ('client'), ('admin')) AS r (kind), unnest(ARRAY[
    'EXECUTE ON FUNCTION janus.status, janus.list, janus.counts, janus.output',
    'SELECT ON janus.settings, janus.outputs'
]) AS p (privilege);
SELECT janus_private.grant_to('admin', 'EXECUTE ON FUNCTION janus.configure, janus.grant_upload, janus.revoke_upload,
    janus.pause, janus.resume, janus.reassign');
SELECT janus_private.grant_to('daemon', 'EXECUTE ON FUNCTION janus_private.ensure_default_model');
SELECT janus_private.seal();
