-- Everything else that people call: reading, canceling, retrying, secrets, grants, settings, pauses.

-- The job's row locked, or an error: a job that is not yours does not exist for you.
CREATE FUNCTION janus_private.own_job(job_id bigint) RETURNS janus_private.job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine janus_private.job;
BEGIN
    SELECT * INTO mine FROM janus_private.job j WHERE j.id = job_id AND janus_private.sees(j.owner) FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no job %s, or it is not yours', coalesce(job_id::text, 'NULL')),
            HINT = 'Your jobs are in janus.jobs. Finished ones are pruned after a while.';
    END IF;
    RETURN mine;
END $$;

-- Runs with the caller's rights: the view shows what may be seen.
CREATE FUNCTION janus.status(job bigint) RETURNS SETOF janus.jobs
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM janus.jobs j WHERE j.id = job
$$;
COMMENT ON FUNCTION janus.status IS $$One row on a job: state, phase, progress, result or error.

job: The id that the enqueueing function returned.
Returns: The job's row of janus.jobs; no row if there is no such job, or it is not yours.$$;

CREATE FUNCTION janus.output(job bigint, index int = 0) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j janus_private.job;
    o janus_private.output;
    total bigint;
BEGIN
    SELECT * INTO j FROM janus_private.job x WHERE x.id = output.job AND janus_private.sees(x.owner);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no job %s, or it is not yours', coalesce(job::text, 'NULL')),
            HINT = 'Your jobs are in janus.jobs. Finished ones are pruned after a while.';
    ELSIF j.state <> 'succeeded' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('job %s has no output: it is %s', job, j.state),
            HINT = 'Wait until janus.status says succeeded.';
    END IF;
    SELECT * INTO o FROM janus_private.output x WHERE x.job = output.job AND x.index = output.index;
    IF o.data IS NOT NULL THEN
        RETURN o.data;
    ELSIF o.job IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('output %s of job %s is not in the database', index, job),
            HINT = format('It was uploaded to %s. Put db: into upload_to to keep a copy here.', array_to_string(o.urls, ', '));
    ELSIF index = 0 AND j.text IS NOT NULL THEN
        RETURN convert_to(j.text, 'UTF8');
    END IF;
    SELECT count(*) INTO total FROM janus_private.output x WHERE x.job = output.job;
    RAISE EXCEPTION USING ERRCODE = '22023',
        MESSAGE = format('index is %s: job %s has %s outputs, counted from 0', coalesce(index::text, 'NULL'), job,
            greatest(total, (j.text IS NOT NULL)::int));
END $$;
COMMENT ON FUNCTION janus.output IS $$The bytes of one output of a succeeded job: a picture's file, or an answer's text as UTF-8.

job: The job's id.
index: Which output, counted from 0.
Returns: The bytes, whose SHA-256 is in janus.jobs.outputs.
P0002: There is no such job, or it is not yours.
22023: The job has no output of that index.
55000: The job has not succeeded, or the output is not in the database since upload_to lacks db:$$;

CREATE FUNCTION janus.cancel(job bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j janus_private.job := janus_private.own_job(job);
BEGIN
    IF j.state = 'queued' THEN
        UPDATE janus_private.job x SET state = 'canceled', finished_at = now(), cancel_requested_at = now() WHERE x.id = j.id;
        PERFORM janus_private.emit(j.id, 'canceled');
        RETURN 'canceled';
    ELSIF j.state = 'running' AND j.cancel_requested_at IS NULL THEN
        -- Its daemon stops it within a second or a step.
        UPDATE janus_private.job x SET cancel_requested_at = now() WHERE x.id = j.id;
        PERFORM pg_notify('janus_control', '');
    END IF;
    RETURN j.state;
END $$;
COMMENT ON FUNCTION janus.cancel IS $$Cancels a queued job at once, and asks a running one to stop, which it does within a second or a step. A result that is there before stays.

job: The job's id.
Returns: The state that results for now: canceled, running, or the one that the job had ended in.
P0002: There is no such job, or it is not yours.$$;

CREATE FUNCTION janus.retry(job bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    j janus_private.job := janus_private.own_job(job);
BEGIN
    IF j.state = 'succeeded' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('job %s succeeded: only failed or canceled jobs are retried', j.id),
            HINT = 'Enqueue it again; with its seed (janus.jobs) it gives the same result.';
    ELSIF j.state IN ('failed', 'canceled') THEN
        PERFORM janus_private.check_queued(j.owner, j.concurrency_key, 1);
        -- The seed stays, webhooks begin a new generation. What had expired may now wait for ever.
        UPDATE janus_private.job x SET state = 'queued', due_at = clock_timestamp(), finished_at = NULL, started_at = NULL, error = NULL,
            cancel_requested_at = NULL, attempts = 0, handovers = 0, is_suspect = false, generation = x.generation + 1,
            expires_at = CASE WHEN x.expires_at > now() THEN x.expires_at END
        WHERE x.id = j.id;
        IF janus_private.setting_on('notify') THEN
            PERFORM pg_notify('janus_queued', '');
        END IF;
        RETURN 'queued';
    END IF;
    RETURN j.state;
END $$;
COMMENT ON FUNCTION janus.retry IS $$Queues a failed or canceled job again, with its seed, a full set of attempts and webhooks of its own; does nothing to a queued or running one.

job: The job's id.
Returns: The state that results.
P0002: There is no such job, or it is not yours.
53400: Its role, or its concurrency_key, has as many queued jobs as an administrator allows.
55000: The job has succeeded.$$;

-- Webhooks ----------------------------------------------------------------------------------------------------

CREATE FUNCTION janus.webhook_secret() RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'whsec_' || encode(janus_private.ensure_webhook_secret(janus_private.caller()), 'base64')
$$;
COMMENT ON FUNCTION janus.webhook_secret IS $$Your role's secret for verifying webhooks (Standard Webhooks), made at first use.

Returns: whsec_ and 32 bytes in base64.$$;

CREATE FUNCTION janus.rotate_webhook_secret(keep interval = '1 day') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_number('keep (in seconds)', extract(epoch FROM keep), 0, 2592000);
    UPDATE janus_private.webhook_secret s SET expires_at = now() + keep
    WHERE s.owner = janus_private.caller() AND s.expires_at IS NULL;
    RETURN janus.webhook_secret();
END $$;
COMMENT ON FUNCTION janus.rotate_webhook_secret IS $$Makes a new secret for your role; until the old one expires, webhooks carry a signature by each.

keep: How long the old one signs too, 0 seconds to 30 days.
Returns: The new secret, as janus.webhook_secret does.
22023: keep is outside of its limits.$$;

CREATE FUNCTION janus.redeliver(delivery bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE janus_private.webhook_delivery d SET state = 'pending', finished_at = NULL, attempts = 0, next_attempt_at = now()
    WHERE d.id = delivery AND janus_private.sees(to_regrole(quote_ident(d.owner)));
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('there is no webhook delivery %s, or it is not yours', coalesce(delivery::text, 'NULL')),
            HINT = 'Yours are in janus.webhook_deliveries.';
    END IF;
    PERFORM pg_notify('janus_control', '');
    RETURN 'pending';
END $$;
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

CREATE FUNCTION janus_private.check_grant(role name, prefix text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF role IS NULL OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
        PERFORM janus_private.refuse(format('role is %s: there is no such role', coalesce(quote_literal(role), 'NULL')), 'Create it first.');
    ELSIF prefix IS NULL OR prefix !~ '^file:///([A-Za-z0-9._~@:+=,-]+/)*$' OR prefix ~ '/\.\.?/' THEN
        PERFORM janus_private.refuse(format('prefix is %s: it must be a folder file:///path/', coalesce(quote_literal(left(prefix, 120)), 'NULL')),
            'End it with /, so that file:///a/ does not open file:///ab/. Other schemes need no grant.');
    END IF;
END $$;

CREATE FUNCTION janus.grant_upload(role name, prefix text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_grant(role, prefix);
    INSERT INTO janus_private.upload_grant VALUES (role, prefix) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION janus.grant_upload IS $$Lets a role and its members upload to folders under a prefix. Daemons write only below their own files.root besides.

role: A role of this server.
prefix: file:///path/ with / at its end, of letters, digits and . _ ~ @ : + = , - only; without . or .. as a name.
Returns: Nothing; a grant that is there stays.
22023: There is no such role, or the prefix is not a folder.$$;

CREATE FUNCTION janus.revoke_upload(role name, prefix text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM janus_private.upload_grant g WHERE g.role = revoke_upload.role AND g.prefix = revoke_upload.prefix;
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
        PERFORM pg_notify('janus_queued', '');
    END IF;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION janus.resume IS $$Starts jobs of a paused queue again.

queue: Its name.
Returns: Whether it was paused.$$;

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
    IF named > 0 AND janus_private.setting_on('notify') THEN
        PERFORM pg_notify('janus_queued', '');
    END IF;
    RETURN named;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus, janus_private FROM PUBLIC;

SELECT janus_private.grant_to(r.kind, p.privilege)
FROM (VALUES ('client'), ('admin')) AS r (kind), unnest(ARRAY[
    'EXECUTE ON FUNCTION janus.status, janus.output, janus.cancel, janus.retry, janus.webhook_secret,
        janus.rotate_webhook_secret, janus.redeliver',
    'SELECT ON janus.settings'
]) AS p (privilege);
SELECT janus_private.grant_to('admin', 'EXECUTE ON FUNCTION janus.configure, janus.grant_upload, janus.revoke_upload,
    janus.pause, janus.resume');
SELECT janus_private.grant_to('daemon', 'EXECUTE ON FUNCTION janus_private.ensure_default_model');
