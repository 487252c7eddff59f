-- Name: janus; Type: SCHEMA; Schema: -; Owner: -

CREATE SCHEMA janus;

COMMENT ON SCHEMA janus IS 'Image understanding and text-to-image jobs: functions to call, views to read.';

-- Name: janus_private; Type: SCHEMA; Schema: -; Owner: -

CREATE SCHEMA janus_private;

COMMENT ON SCHEMA janus_private IS 'Tables of janusd; use schema janus.';

-- Name: common; Type: TYPE; Schema: janus_private; Owner: -

CREATE TYPE janus_private.common AS (
	priority integer,
	run_at timestamp with time zone,
	expires_at timestamp with time zone,
	max_attempts integer,
	run_timeout interval,
	idempotency_key text,
	webhook_url text,
	webhook_events text[],
	upload_to text[],
	model text,
	queue text,
	concurrency_key text,
	traceparent text,
	metadata jsonb
);

-- Name: batch(text[], integer, bigint, real, real, integer, text, integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.batch(prompts text[], images integer DEFAULT 1, seed bigint DEFAULT NULL::bigint, cfg_weight real DEFAULT 5, temperature real DEFAULT 1, top_k integer DEFAULT 0, format text DEFAULT 'png'::text, priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS SETOF bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer bigint[];
BEGIN
    INSERT INTO janus.batch_request (prompts, images, seed, cfg_weight, temperature, top_k, format, priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model, queue, concurrency_key, traceparent, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING result INTO answer;
    RETURN QUERY SELECT unnest(answer);
END $_$;

COMMENT ON FUNCTION janus.batch(prompts text[], images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) IS 'Enqueues many texts to images at once, each a job as janus.generate makes it, with all other arguments in common; they are checked once.

prompts: What to draw, at most batch_max texts of 1 to prompt_bytes_max bytes, not white space alone. {} makes no job.
images: How many pictures of each, 1 to images_max.
seed: Of every job, 0 to 9223372036854775807. NULL draws one for each.
cfg_weight: As of janus.generate, 0 to 30.
temperature: As of janus.generate, 0 to 5.
top_k: As of janus.generate, 0 to 16384.
format: png, jpeg or webp.
priority: 0 (first) to 9 (last).
run_at: Does not start before, and stands in line as if enqueued then; what is past counts as now. NULL: as soon as possible.
expires_at: Fails with code expired if it waits until then, for its first attempt or a later one; later than run_at and now. NULL: may wait for ever.
max_attempts: How often it is tried before it fails, 1 to max_attempts_max. Hand-overs do not count.
run_timeout: Longest running time of one attempt, 1 second to run_timeout_seconds_max.
idempotency_key: 1 to 247 bytes, your role''s own; of two prompts or more each job has this key, a colon and its ordinal from 1. A repeat with the same arguments returns the first job''s id, with others it is refused; times, traceparent and query strings of URLs may differ.
webhook_url: Is called (POST) at the events of webhook_events; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes. NULL: no calls.
webhook_events: Any of started, progress, succeeded, failed, canceled, each once; at least one with webhook_url.
upload_to: Sinks, at most upload_to_max, each once; every output goes to all of them before the job succeeds. db: keeps it in the database, as {} does; https://host/path/ is the start of a URL for each output; other https:// URLs take one output each, in order; file:///folder/ needs janus.grant_upload.
model: One that a daemon ever served, 1 to 128 bytes. NULL takes setting default_model.
queue: 1 to 64 letters, digits, _ . -
concurrency_key: 1 to 255 bytes, your role''s own: within a priority your jobs of one key take turns with those of the others, and an administrator may limit how many of them run and wait (janus.limit_key). NULL: none.
traceparent: A W3C trace context; kept and shown.
metadata: A JSON object, at most metadata_bytes_max bytes; kept, shown, and sent with webhooks.
Returns: The jobs'' ids in the order of prompts. They exist when the transaction commits; roll back, and there was none.
22023: An argument is outside of its limits, or idempotency_key was used with other arguments; the message names argument, value and limit.
53400: Your role, or concurrency_key, has as many queued jobs as an administrator allows.';

-- Name: cancel(bigint); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.cancel(job bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.cancel_request (job) VALUES ($1) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.cancel(job bigint) IS 'Cancels a queued job at once, and asks a running one to stop, which it does within a second or a step. A result that is there before stays.

job: The job''s id.
Returns: The state that results for now: canceled, running, or the one that the job had ended in.
P0002: There is no such job, or it is not yours.';

-- Name: channel(); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.channel() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.channel_request DEFAULT VALUES RETURNING result INTO answer;
    RETURN answer;
END $$;

COMMENT ON FUNCTION janus.channel() IS 'The channel on which your role hears that one of its jobs ended: LISTEN to it and look at your jobs when it speaks. Made at first use; before that nothing is said.

Returns: Its name, which is a secret, since any role may LISTEN to any channel. Payloads are empty; with setting notify off, or when the server''s queue of notifications is full, nothing is said: poll besides.';

-- Name: chat(jsonb, text[], bytea[], integer, real, real, bigint, text, text[], integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.chat(messages jsonb, image_urls text[] DEFAULT '{}'::text[], image_data bytea[] DEFAULT '{}'::bytea[], max_tokens integer DEFAULT 512, temperature real DEFAULT 0, top_p real DEFAULT 1, seed bigint DEFAULT NULL::bigint, system_prompt text DEFAULT NULL::text, stop text[] DEFAULT '{}'::text[], priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer bigint;
BEGIN
    INSERT INTO janus.chat_request (messages, image_urls, image_data, max_tokens, temperature, top_p, seed, system_prompt, stop, priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model, queue, concurrency_key, traceparent, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.chat(messages jsonb, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) IS 'Enqueues the next answer of a conversation. See janus.status.

messages: An array of 1 to messages_max objects {"role": …, "content": …, "images": …}: user and assistant take turns, the user first and last; a message of role system may come before them. content has at most prompt_bytes_max bytes. images is the number of pictures that stand before the content of a user''s message; where no message has it, all stand before the first.
image_urls: Pictures to fetch when the job begins, before those of image_data; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes each. Both together have at most input_images_max.
image_data: Pictures themselves, PNG, JPEG or WebP, 1 to input_image_bytes_max bytes each.
max_tokens: The answer ends after so many tokens at the latest; 1 to max_tokens_max.
temperature: The logits are divided by it, 0 to 5; 0 takes the most likely token, which needs no seed.
top_p: Draws from the smallest set of most likely tokens whose probabilities reach it; 0.0001 to 1, which draws from all.
seed: 0 to 9223372036854775807. NULL draws one, which janus.jobs shows; the same seed, model and arguments give the same answer.
system_prompt: What the conversation begins with, 1 to system_prompt_bytes_max bytes. NULL takes the model''s own.
stop: The answer ends before the first of these strings; at most stop_max, 1 to 256 bytes each.
priority: 0 (first) to 9 (last).
run_at: Does not start before, and stands in line as if enqueued then; what is past counts as now. NULL: as soon as possible.
expires_at: Fails with code expired if it waits until then, for its first attempt or a later one; later than run_at and now. NULL: may wait for ever.
max_attempts: How often it is tried before it fails, 1 to max_attempts_max. Hand-overs do not count.
run_timeout: Longest running time of one attempt, 1 second to run_timeout_seconds_max.
idempotency_key: 1 to 255 bytes, your role''s own. A repeat with the same arguments returns the first job''s id, with others it is refused; times, traceparent and query strings of URLs may differ.
webhook_url: Is called (POST) at the events of webhook_events; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes. NULL: no calls.
webhook_events: Any of started, progress, succeeded, failed, canceled, each once; at least one with webhook_url.
upload_to: Sinks, at most upload_to_max, each once; every output goes to all of them before the job succeeds. db: keeps it in the database, as {} does; https://host/path/ is the start of a URL for each output; other https:// URLs take one output each, in order; file:///folder/ needs janus.grant_upload.
model: One that a daemon ever served, 1 to 128 bytes. NULL takes setting default_model.
queue: 1 to 64 letters, digits, _ . -
concurrency_key: 1 to 255 bytes, your role''s own: within a priority your jobs of one key take turns with those of the others, and an administrator may limit how many of them run and wait (janus.limit_key). NULL: none.
traceparent: A W3C trace context; kept and shown.
metadata: A JSON object, at most metadata_bytes_max bytes; kept, shown, and sent with webhooks.
Returns: The job''s id. The job exists when the transaction commits; roll back, and there was none.
22023: An argument is outside of its limits, or idempotency_key was used with other arguments; the message names argument, value and limit.
53400: Your role, or concurrency_key, has as many queued jobs as an administrator allows.';

-- Name: configure(text, text); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.configure(key text, value text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
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
END $_$;

COMMENT ON FUNCTION janus.configure(key text, value text) IS 'Changes a setting; the list is janus.settings.

key: Its name.
value: A whole number within its bounds, on or off, or a text of at most 128 bytes, as the setting has it. NULL takes the default.
Returns: What holds now.
22023: There is no such setting, or the value is outside of its bounds.';

-- Name: counts(); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.counts() RETURNS TABLE(state text, jobs bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

COMMENT ON FUNCTION janus.counts() IS 'How many of your jobs are in each state.

Returns: A row for each of the five states: state, and jobs, counted up to 100000.';

-- Name: generate(text, integer, bigint, real, real, integer, text, integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.generate(prompt text, images integer DEFAULT 1, seed bigint DEFAULT NULL::bigint, cfg_weight real DEFAULT 5, temperature real DEFAULT 1, top_k integer DEFAULT 0, format text DEFAULT 'png'::text, priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer bigint;
BEGIN
    INSERT INTO janus.generate_request (prompt, images, seed, cfg_weight, temperature, top_k, format, priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model, queue, concurrency_key, traceparent, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.generate(prompt text, images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) IS 'Enqueues text to images. See janus.status and janus.output.

prompt: What to draw, 1 to prompt_bytes_max bytes, not white space alone.
images: How many pictures of it, 1 to images_max; each is drawn with noise of its own.
seed: 0 to 9223372036854775807. NULL draws one, which janus.jobs shows; the same seed, model and arguments give the same bytes.
cfg_weight: How closely pictures follow the prompt (classifier-free guidance), 0 to 30; 1 is no guidance. 5 suits Janus-Pro, 1.25 janus-nano.
temperature: The logits are divided by it, 0 to 5; 0 takes the most likely token.
top_k: Draws from that many most likely tokens only, 0 to 16384; 0 draws from all.
format: png, jpeg or webp.
priority: 0 (first) to 9 (last).
run_at: Does not start before, and stands in line as if enqueued then; what is past counts as now. NULL: as soon as possible.
expires_at: Fails with code expired if it waits until then, for its first attempt or a later one; later than run_at and now. NULL: may wait for ever.
max_attempts: How often it is tried before it fails, 1 to max_attempts_max. Hand-overs do not count.
run_timeout: Longest running time of one attempt, 1 second to run_timeout_seconds_max.
idempotency_key: 1 to 255 bytes, your role''s own. A repeat with the same arguments returns the first job''s id, with others it is refused; times, traceparent and query strings of URLs may differ.
webhook_url: Is called (POST) at the events of webhook_events; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes. NULL: no calls.
webhook_events: Any of started, progress, succeeded, failed, canceled, each once; at least one with webhook_url.
upload_to: Sinks, at most upload_to_max, each once; every output goes to all of them before the job succeeds. db: keeps it in the database, as {} does; https://host/path/ is the start of a URL for each output; other https:// URLs take one output each, in order; file:///folder/ needs janus.grant_upload.
model: One that a daemon ever served, 1 to 128 bytes. NULL takes setting default_model.
queue: 1 to 64 letters, digits, _ . -
concurrency_key: 1 to 255 bytes, your role''s own: within a priority your jobs of one key take turns with those of the others, and an administrator may limit how many of them run and wait (janus.limit_key). NULL: none.
traceparent: A W3C trace context; kept and shown.
metadata: A JSON object, at most metadata_bytes_max bytes; kept, shown, and sent with webhooks.
Returns: The job''s id. The job exists when the transaction commits; roll back, and there was none.
22023: An argument is outside of its limits, or idempotency_key was used with other arguments; the message names argument, value and limit.
53400: Your role, or concurrency_key, has as many queued jobs as an administrator allows.';

-- Name: grant_upload(name, text); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.grant_upload(role name, prefix text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    INSERT INTO janus_private.upload_grant VALUES (janus_private.check_grant(role, prefix), prefix) ON CONFLICT DO NOTHING;
END $$;

COMMENT ON FUNCTION janus.grant_upload(role name, prefix text) IS 'Lets a role, and those that inherit its rights, upload to folders under a prefix. Daemons write only below their own files.root besides.

role: A role of this server.
prefix: file:///path/ with / at its end, of letters, digits and . _ ~ @ : + = , - only; without . or .. as a name.
Returns: Nothing; a grant that is there stays.
22023: There is no such role, or the prefix is not a folder.';

-- Name: limit_key(name, text, integer, integer); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.limit_key(role name, key text, running integer DEFAULT NULL::integer, queued integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
#variable_conflict use_column
-- as ON CONFLICT names a column that is called like an argument
BEGIN
    PERFORM janus_private.check_text('key', key, 255);
    PERFORM janus_private.check_limit('running', running, 1);
    PERFORM janus_private.check_limit('queued', queued, 0);
    INSERT INTO janus_private.key_limit AS l (owner, key, running_max, queued_max)
    VALUES (janus_private.role_to_limit(role), key, running, queued)
    ON CONFLICT (owner, key) DO UPDATE SET running_max = excluded.running_max, queued_max = excluded.queued_max;
END $$;

COMMENT ON FUNCTION janus.limit_key(role name, key text, running integer, queued integer) IS 'Says how many jobs with one concurrency_key of a role may run and wait, all daemons together. Each call sets both.

role: A role of this server; keys are its own.
key: The concurrency_key, 1 to 255 bytes.
running: Most jobs that run at one moment, 1 to 1000000. NULL takes what janus.limit_owner says of the role''s keys.
queued: Most jobs that wait, 0 to 1000000. NULL takes what janus.limit_owner says of the role''s keys.
Returns: Nothing; jobs that run or wait already stay.
22023: There is no such role, key is empty or too long, or a limit is outside of its bounds.';

-- Name: limit_owner(name, integer, integer, integer, integer); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.limit_owner(role name, running integer DEFAULT NULL::integer, queued integer DEFAULT NULL::integer, key_running integer DEFAULT NULL::integer, key_queued integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    PERFORM janus_private.check_limit('running', running, 1);
    PERFORM janus_private.check_limit('queued', queued, 0);
    PERFORM janus_private.check_limit('key_running', key_running, 1);
    PERFORM janus_private.check_limit('key_queued', key_queued, 0);
    INSERT INTO janus_private.owner_limit AS t (owner, running_max, queued_max, key_running_max, key_queued_max)
    VALUES (janus_private.role_to_limit(role), running, queued, key_running, key_queued)
    ON CONFLICT (owner) DO UPDATE SET running_max = excluded.running_max, queued_max = excluded.queued_max,
        key_running_max = excluded.key_running_max, key_queued_max = excluded.key_queued_max;
END $$;

COMMENT ON FUNCTION janus.limit_owner(role name, running integer, queued integer, key_running integer, key_queued integer) IS 'Says how many jobs of a role may run and wait, all daemons together. Each call sets all four.

role: A role of this server, whose own jobs are meant.
running: Most jobs that run at one moment, 1 to 1000000. NULL takes setting owner_running_max.
queued: Most jobs that wait, 0 to 1000000; enqueueing counts them, which costs more the more there are. NULL takes setting owner_queued_max.
key_running: As running, for each concurrency_key of the role that janus.limit_key does not name. NULL takes setting key_running_max.
key_queued: As queued, for each such key. NULL takes setting key_queued_max.
Returns: Nothing; jobs that run or wait already stay.
22023: There is no such role, or a limit is outside of its bounds.';

-- Name: inherited_roles(oid); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.inherited_roles(role oid) RETURNS oid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

-- Name: cancellation; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.cancellation (
    job bigint NOT NULL,
    generation integer NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE janus_private.cancellation IS 'Jobs that were asked to stop: who asks changes no running job, its daemon reads here. Rows go with their job.';

-- Name: daemon; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.daemon (
    instance uuid NOT NULL,
    host text NOT NULL,
    version text NOT NULL,
    models text[] NOT NULL,
    queues text[] NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_seconds double precision NOT NULL,
    failed_models jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT daemon_failed_models_check CHECK ((jsonb_typeof(failed_models) = 'object'::text))
)
WITH (fillfactor='50');

COMMENT ON TABLE janus_private.daemon IS 'The daemons that serve this database; each removes its row at its end.';

COMMENT ON COLUMN janus_private.daemon.failed_models IS 'Of which no worker starts there: {model: why}.';

-- Name: input; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.input (
    job bigint NOT NULL,
    task jsonb NOT NULL,
    image_urls text[] NOT NULL,
    inline_images integer NOT NULL
);

COMMENT ON TABLE janus_private.input IS 'What a job shall do, written once.';

COMMENT ON COLUMN janus_private.input.task IS 'The resolved arguments; the seed is a string, as JSON readers lose integers beyond 2^53.';

COMMENT ON COLUMN janus_private.input.image_urls IS 'Pictures to fetch; those of input_image come after them.';

-- Name: job; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.job (
    id bigint NOT NULL,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    owner regrole NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    model text,
    state text DEFAULT 'queued'::text NOT NULL,
    priority smallint NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer NOT NULL,
    handovers integer DEFAULT 0 NOT NULL,
    run_timeout interval NOT NULL,
    run_lease bigint DEFAULT 0 NOT NULL,
    generation integer DEFAULT 1 NOT NULL,
    is_suspect boolean DEFAULT false NOT NULL,
    concurrency_key text DEFAULT ''::text NOT NULL,
    traceparent text,
    idempotency_key text,
    idempotency_fingerprint bytea,
    webhook_url text,
    webhook_events text[] NOT NULL,
    upload_to text[] NOT NULL,
    metadata jsonb NOT NULL,
    text text,
    finish_reason text,
    usage jsonb,
    error jsonb,
    CONSTRAINT job_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT job_failed CHECK (((state <> 'failed'::text) OR COALESCE((error ?& ARRAY['code'::text, 'message'::text, 'retryable'::text]), false))),
    CONSTRAINT job_finished CHECK (((finished_at IS NOT NULL) = (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'canceled'::text])))),
    CONSTRAINT job_handovers_check CHECK ((handovers >= 0)),
    CONSTRAINT job_idempotency CHECK (((idempotency_key IS NULL) = (idempotency_fingerprint IS NULL))),
    CONSTRAINT job_kind_check CHECK ((kind = ANY (ARRAY['generate'::text, 'understand'::text, 'chat'::text]))),
    CONSTRAINT job_max_attempts_check CHECK ((max_attempts >= 1)),
    CONSTRAINT job_priority_check CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT job_result CHECK (((state = 'succeeded'::text) OR ((text IS NULL) AND (usage IS NULL) AND (finish_reason IS NULL)))),
    CONSTRAINT job_running CHECK (((state <> 'running'::text) OR ((started_at IS NOT NULL) AND (model IS NOT NULL) AND (attempts >= 1)))),
    CONSTRAINT job_state CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text]))),
    CONSTRAINT job_succeeded CHECK (((state <> 'succeeded'::text) OR ((error IS NULL) AND (usage IS NOT NULL))))
);

COMMENT ON TABLE janus_private.job IS 'A job as clients and state changes see it; its lease is in run, its arguments in input.';

COMMENT ON COLUMN janus_private.job.model IS 'NULL only until the first daemon ever says what the default model is.';

COMMENT ON COLUMN janus_private.job.due_at IS 'Its place in line, and not started before: run_at as given, or the moment of enqueueing where that is later. A retry moves it, a hand-over does not.';

COMMENT ON COLUMN janus_private.job.started_at IS 'Of the latest attempt.';

COMMENT ON COLUMN janus_private.job.attempts IS 'Charged so far, the running one included; hand-overs give theirs back.';

COMMENT ON COLUMN janus_private.job.handovers IS 'Uncharged returns to the queue.';

COMMENT ON COLUMN janus_private.job.run_lease IS 'Ordinal of the latest claim; only grows.';

COMMENT ON COLUMN janus_private.job.generation IS 'janus.retry begins a new one, with webhooks of its own.';

COMMENT ON COLUMN janus_private.job.is_suspect IS 'Was in a batch that crashed: runs alone next time.';

COMMENT ON COLUMN janus_private.job.concurrency_key IS 'Its owner''s jobs of one key take turns with those of others, and are limited together; empty: none was given.';

COMMENT ON COLUMN janus_private.job.idempotency_fingerprint IS 'SHA-256 of what a repeat with the same key must share.';

COMMENT ON COLUMN janus_private.job.text IS 'The result, until the next generation: text, finish_reason and usage.';

-- Name: output; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.output (
    job bigint NOT NULL,
    index integer NOT NULL,
    media_type text NOT NULL,
    width integer,
    height integer,
    byte_count bigint NOT NULL,
    sha256 text NOT NULL,
    urls text[] NOT NULL,
    data bytea,
    CONSTRAINT output_byte_count_check CHECK ((byte_count >= 0)),
    CONSTRAINT output_check CHECK ((octet_length(data) = byte_count)),
    CONSTRAINT output_index_check CHECK ((index >= 0)),
    CONSTRAINT output_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
ALTER TABLE ONLY janus_private.output ALTER COLUMN data SET STORAGE EXTERNAL;

COMMENT ON TABLE janus_private.output IS 'What succeeded jobs gave: pictures, or the text of an answer as a file.';

COMMENT ON COLUMN janus_private.output.urls IS 'Where it was uploaded to, without query strings.';

COMMENT ON COLUMN janus_private.output.data IS 'The bytes, where db: is among the sinks.';

-- Name: run; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.run (
    job bigint NOT NULL,
    run_lease bigint NOT NULL,
    claim_token uuid NOT NULL,
    daemon uuid NOT NULL,
    owner regrole NOT NULL,
    concurrency_key text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    lease_seconds double precision NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    phase text NOT NULL,
    steps_done integer DEFAULT 0 NOT NULL,
    steps_total integer DEFAULT 1 NOT NULL,
    CONSTRAINT run_lease_seconds_check CHECK ((lease_seconds > (0)::double precision)),
    CONSTRAINT run_phase_check CHECK ((phase = ANY (ARRAY['preparing'::text, 'prefill'::text, 'drawing'::text, 'decoding'::text, 'delivering'::text]))),
    CONSTRAINT run_steps_done_check CHECK ((steps_done >= 0)),
    CONSTRAINT run_steps_total_check CHECK ((steps_total >= 1))
)
WITH (fillfactor='50');

COMMENT ON TABLE janus_private.run IS 'The lease of a running job and its progress; there while it runs, and written by daemons only.';

COMMENT ON COLUMN janus_private.run.owner IS 'The job''s, as is the key: what runs is counted here.';

-- Name: job_status; Type: VIEW; Schema: janus_private; Owner: -

CREATE VIEW janus_private.job_status AS
 SELECT j.id,
    j.uuid,
    j.queue,
    j.kind,
    j.model,
    j.state,
        CASE
            WHEN (j.state = 'running'::text) THEN COALESCE(r.phase, 'preparing'::text)
            ELSE NULL::text
        END AS phase,
        CASE j.state
            WHEN 'queued'::text THEN (0)::numeric
            WHEN 'running'::text THEN round(((100.0 * (LEAST(r.steps_done, r.steps_total))::numeric) / (r.steps_total)::numeric), 1)
            WHEN 'succeeded'::text THEN (100)::numeric
            ELSE NULL::numeric
        END AS progress,
    j.attempts AS attempt,
    j.created_at,
    j.started_at,
    j.finished_at,
    j.text,
    ( SELECT jsonb_agg(jsonb_build_object('index', o.index, 'media_type', o.media_type, 'width', o.width, 'height', o.height, 'bytes', o.byte_count, 'sha256', o.sha256, 'urls', o.urls, 'in_database', (o.data IS NOT NULL)) ORDER BY o.index) AS jsonb_agg
           FROM janus_private.output o
          WHERE (o.job = j.id)) AS outputs,
    COALESCE(j.error,
        CASE
            WHEN (j.state = 'queued'::text) THEN ( SELECT jsonb_build_object('code', 'model_failed', 'message', min((d.failed_models ->> j.model)), 'retryable', true) AS jsonb_build_object
               FROM janus_private.daemon d
              WHERE ((j.model = ANY (d.models)) AND (j.queue = ANY (d.queues)) AND (d.seen_at > (now() - make_interval(secs => d.lease_seconds))))
             HAVING bool_and((d.failed_models ? j.model)))
            ELSE NULL::jsonb
        END) AS error,
    j.usage,
    j.metadata,
    pg_get_userbyid((j.owner)::oid) AS owner,
    j.priority,
    j.max_attempts,
    j.due_at AS run_at,
    j.expires_at,
    ( SELECT min(c.requested_at) AS min
           FROM janus_private.cancellation c
          WHERE ((c.job = j.id) AND (c.generation = j.generation))) AS cancel_requested_at,
    j.finish_reason,
    ((i.task ->> 'seed'::text))::bigint AS seed,
    i.task AS arguments,
    ARRAY( SELECT split_part(x.u, '?'::text, 1) AS split_part
           FROM unnest(j.upload_to) WITH ORDINALITY x(u, n)
          ORDER BY x.n) AS upload_to,
    j.idempotency_key,
    NULLIF(j.concurrency_key, ''::text) AS concurrency_key,
    j.traceparent,
    j.owner AS role
   FROM ((janus_private.job j
     LEFT JOIN janus_private.input i ON ((i.job = j.id)))
     LEFT JOIN janus_private.run r ON ((r.job = j.id)));

-- Name: role_name; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.role_name (
    kind text NOT NULL,
    role regrole NOT NULL,
    CONSTRAINT role_name_kind_check CHECK ((kind = ANY (ARRAY['client'::text, 'daemon'::text, 'admin'::text, 'monitor'::text])))
);

COMMENT ON TABLE janus_private.role_name IS 'The four roles of this database: found by its settings janus.role_… when it was migrated, and kept however they are renamed.';

-- Name: reader; Type: VIEW; Schema: janus_private; Owner: -

CREATE VIEW janus_private.reader AS
 SELECT x.roles,
    ((( SELECT n.role
           FROM janus_private.role_name n
          WHERE (n.kind = 'admin'::text)))::oid = ANY (x.roles)) AS is_admin
   FROM ( SELECT janus_private.inherited_roles(r.oid) AS roles
           FROM pg_roles r
          WHERE (r.rolname = CURRENT_USER)
         OFFSET 0) x;

-- Name: visible_status; Type: VIEW; Schema: janus_private; Owner: -

CREATE VIEW janus_private.visible_status AS
 SELECT s.id,
    s.uuid,
    s.queue,
    s.kind,
    s.model,
    s.state,
    s.phase,
    s.progress,
    s.attempt,
    s.created_at,
    s.started_at,
    s.finished_at,
    s.text,
    s.outputs,
    s.error,
    s.usage,
    s.metadata,
    s.owner,
    s.priority,
    s.max_attempts,
    s.run_at,
    s.expires_at,
    s.cancel_requested_at,
    s.finish_reason,
    s.seed,
    s.arguments,
    s.upload_to,
    s.idempotency_key,
    s.concurrency_key,
    s.traceparent,
    s.role
   FROM janus_private.job_status s
  WHERE ((s.role)::oid = ANY (( SELECT r.roles
           FROM janus_private.reader r)::oid[]))
UNION ALL
 SELECT s.id,
    s.uuid,
    s.queue,
    s.kind,
    s.model,
    s.state,
    s.phase,
    s.progress,
    s.attempt,
    s.created_at,
    s.started_at,
    s.finished_at,
    s.text,
    s.outputs,
    s.error,
    s.usage,
    s.metadata,
    s.owner,
    s.priority,
    s.max_attempts,
    s.run_at,
    s.expires_at,
    s.cancel_requested_at,
    s.finish_reason,
    s.seed,
    s.arguments,
    s.upload_to,
    s.idempotency_key,
    s.concurrency_key,
    s.traceparent,
    s.role
   FROM janus_private.job_status s
  WHERE (( SELECT r.is_admin
           FROM janus_private.reader r) AND ((s.role)::oid <> ALL (( SELECT r.roles
           FROM janus_private.reader r)::oid[])));

-- Name: jobs; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.jobs WITH (security_barrier='true') AS
 SELECT visible_status.id,
    visible_status.uuid,
    visible_status.queue,
    visible_status.kind,
    visible_status.model,
    visible_status.state,
    visible_status.phase,
    visible_status.progress,
    visible_status.attempt,
    visible_status.created_at,
    visible_status.started_at,
    visible_status.finished_at,
    visible_status.text,
    visible_status.outputs,
    visible_status.error,
    visible_status.usage,
    visible_status.metadata,
    visible_status.owner,
    visible_status.priority,
    visible_status.max_attempts,
    visible_status.run_at,
    visible_status.expires_at,
    visible_status.cancel_requested_at,
    visible_status.finish_reason,
    visible_status.seed,
    visible_status.arguments,
    visible_status.upload_to,
    visible_status.idempotency_key,
    visible_status.concurrency_key,
    visible_status.traceparent
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

-- Name: list(text, bigint, integer); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.list(state text DEFAULT NULL::text, before bigint DEFAULT NULL::bigint, most integer DEFAULT 50) RETURNS SETOF janus.jobs
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

COMMENT ON FUNCTION janus.list(state text, before bigint, most integer) IS 'Your latest jobs, the newest first, a page at a time.

state: Only jobs in this state. NULL: in any.
before: Only jobs with smaller ids: to page on, the last id of the page before. NULL: from the newest.
most: The length of a page, 1 to 1000.
Returns: Rows of janus.jobs, by id from the greatest.
22023: There is no such state, or most is outside of its limits.';

-- Name: output(bigint, integer); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.output(job bigint, index integer DEFAULT 0) RETURNS bytea
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

COMMENT ON FUNCTION janus.output(job bigint, index integer) IS 'The bytes of one output of a succeeded job: a picture''s file, or an answer''s text as UTF-8.

job: The job''s id.
index: Which output, counted from 0.
Returns: The bytes, whose SHA-256 is in janus.jobs.outputs.
P0002: There is no such job, or it is not yours.
22023: The job has no output of that index.
55000: The job has not succeeded, or the output is not in the database since upload_to lacks db:';

-- Name: pause(text); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.pause(queue text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    PERFORM janus_private.check_text('queue', queue, 64);
    INSERT INTO janus_private.paused_queue (queue) VALUES (pause.queue) ON CONFLICT DO NOTHING;
END $$;

COMMENT ON FUNCTION janus.pause(queue text) IS 'Starts no more jobs of a queue; running ones go on.

queue: Its name, 1 to 64 bytes; it need not have jobs yet.
Returns: Nothing; a paused queue stays paused.
22023: queue is empty or too long.';

-- Name: reassign(regrole, regrole); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.reassign(old regrole, new regrole) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

COMMENT ON FUNCTION janus.reassign(old regrole, new regrole) IS 'Makes all jobs of a role another''s, with its webhooks and their secrets; the new role''s own secret signs first, if it has one. Grants of janus.grant_upload, limits and the channel are not handed on.

old: The role that has them; one that was dropped by its number.
new: The role that shall have them.
Returns: How many jobs.
22023: They are one role, new does not exist, or both have a job with the same idempotency_key.
42704: There is no role of that name.';

-- Name: redeliver(bigint); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.redeliver(delivery bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.redeliver_request (delivery) VALUES ($1) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.redeliver(delivery bigint) IS 'Calls a webhook again, with the same webhook-id and body and a full set of tries.

delivery: Its id in janus.webhook_deliveries.
Returns: Its state, pending.
P0002: There is no such delivery, or it is not yours.';

-- Name: resume(text); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.resume(queue text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    DELETE FROM janus_private.paused_queue p WHERE p.queue = resume.queue;
    IF FOUND THEN
        PERFORM janus_private.wake('janus_queued');
        RETURN true;
    END IF;
    RETURN false;
END $$;

COMMENT ON FUNCTION janus.resume(queue text) IS 'Starts jobs of a paused queue again.

queue: Its name.
Returns: Whether it was paused.';

-- Name: retry(bigint); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.retry(job bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.retry_request (job) VALUES ($1) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.retry(job bigint) IS 'Queues a failed or canceled job again, with its seed, a full set of attempts and webhooks of its own; does nothing to a queued or running one.

job: The job''s id.
Returns: The state that results.
P0002: There is no such job, or it is not yours.
53400: Its role, or its concurrency_key, has as many queued jobs as an administrator allows.
55000: The job has succeeded.';

-- Name: revoke_upload(name, text); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.revoke_upload(role name, prefix text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    DELETE FROM janus_private.upload_grant g
    WHERE g.role = (SELECT r.oid FROM pg_roles r WHERE r.rolname = revoke_upload.role) AND g.prefix = revoke_upload.prefix;
    RETURN FOUND;
END $$;

COMMENT ON FUNCTION janus.revoke_upload(role name, prefix text) IS 'Takes a grant back. Jobs already queued keep their sinks.

role: The role that it was given to.
prefix: As it was granted.
Returns: Whether there was such a grant.';

-- Name: rotate_channel(); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.rotate_channel() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.rotate_channel_request DEFAULT VALUES RETURNING result INTO answer;
    RETURN answer;
END $$;

COMMENT ON FUNCTION janus.rotate_channel() IS 'Gives your role another channel; the old one falls silent.

Returns: The new name, as janus.channel does.';

-- Name: rotate_webhook_secret(interval); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.rotate_webhook_secret(keep interval DEFAULT '1 day'::interval) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.rotate_webhook_secret_request (keep) VALUES ($1) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.rotate_webhook_secret(keep interval) IS 'Makes a new secret for your role; until the old one expires, webhooks carry a signature by each.

keep: How long the old one signs too, 0 seconds to 30 days.
Returns: The new secret, as janus.webhook_secret does.
22023: keep is outside of its limits.';

-- Name: job_status; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.job_status WITH (security_barrier='true') AS
 SELECT s.id,
    s.uuid,
    s.queue,
    s.kind,
    s.model,
    s.state,
    s.phase,
    s.progress,
    s.attempt,
    s.created_at,
    s.started_at,
    s.finished_at,
    s.text,
    s.outputs,
    s.error,
    s.usage,
    s.metadata,
    s.owner,
    s.priority,
    s.max_attempts,
    s.run_at,
    s.expires_at,
    s.cancel_requested_at,
    s.finish_reason,
    s.seed,
    s.arguments,
    s.upload_to,
    s.idempotency_key,
    s.concurrency_key,
    s.traceparent,
        CASE
            WHEN ((s.state = 'queued'::text) AND (s.run_at <= now()) AND (s.model IS NOT NULL)) THEN LEAST((1001)::bigint, ((1 + ( SELECT count(*) AS count
               FROM ( SELECT
                       FROM janus_private.job a
                      WHERE ((a.state = 'queued'::text) AND (a.model = s.model) AND (a.queue = s.queue) AND (a.priority = s.priority) AND ((a.owner)::oid = (s.role)::oid) AND (a.concurrency_key = COALESCE(s.concurrency_key, ''::text)) AND (ROW(a.due_at, a.id) < ROW(s.run_at, s.id)))
                      ORDER BY a.due_at, a.id
                     LIMIT 1000) own_line)) + ( SELECT count(*) AS count
               FROM ( SELECT a.due_at
                       FROM janus_private.job a
                      WHERE ((a.state = 'queued'::text) AND (a.model = s.model) AND (a.queue = s.queue) AND (a.priority < s.priority))
                      ORDER BY a.priority, a.owner, a.concurrency_key, a.due_at, a.id
                     LIMIT 1000) better
              WHERE (better.due_at <= now()))))
            ELSE NULL::bigint
        END AS queue_position
   FROM janus_private.visible_status s;

COMMENT ON VIEW janus.job_status IS 'A row of janus.jobs and its place in the queue, which is counted for each row: for one job at a time, as janus.status asks.';

COMMENT ON COLUMN janus.job_status.id IS 'What the enqueueing function returned.';

COMMENT ON COLUMN janus.job_status.uuid IS 'The same job in names of uploaded files.';

COMMENT ON COLUMN janus.job_status.queue IS 'As given.';

COMMENT ON COLUMN janus.job_status.kind IS 'generate, understand or chat.';

COMMENT ON COLUMN janus.job_status.model IS 'As given, or the default when it was enqueued. NULL: no daemon has ever said what the default is.';

COMMENT ON COLUMN janus.job_status.state IS 'queued, running, succeeded, failed or canceled.';

COMMENT ON COLUMN janus.job_status.phase IS 'While running: preparing, prefill, drawing, decoding or delivering.';

COMMENT ON COLUMN janus.job_status.progress IS 'Per cent: 0 while queued, 100 once succeeded, NULL once failed or canceled.';

COMMENT ON COLUMN janus.job_status.attempt IS 'Attempts charged so far, the running one included.';

COMMENT ON COLUMN janus.job_status.created_at IS 'When it was enqueued: the time of the transaction.';

COMMENT ON COLUMN janus.job_status.started_at IS 'When the latest attempt began.';

COMMENT ON COLUMN janus.job_status.finished_at IS 'When it ended for good.';

COMMENT ON COLUMN janus.job_status.text IS 'The answer; NULL for pictures.';

COMMENT ON COLUMN janus.job_status.outputs IS 'An array of {index, media_type, width, height, bytes, sha256, urls, in_database}, in order; NULL without outputs. An answer is one output of type text/plain.';

COMMENT ON COLUMN janus.job_status.error IS '{code, message, retryable}: why it failed, or why the last attempt did while another is due; model_failed while it waits and no worker of its model starts anywhere.';

COMMENT ON COLUMN janus.job_status.usage IS '{prompt_tokens, output_tokens, images, prefill_seconds, drawing_seconds, decoding_seconds} of the attempt that succeeded.';

COMMENT ON COLUMN janus.job_status.metadata IS 'As given.';

COMMENT ON COLUMN janus.job_status.owner IS 'The role that enqueued it.';

COMMENT ON COLUMN janus.job_status.priority IS 'As given: 0 first, 9 last.';

COMMENT ON COLUMN janus.job_status.max_attempts IS 'As given.';

COMMENT ON COLUMN janus.job_status.run_at IS 'Not started before, and its place in line: run_at as given, or when it was enqueued where that is later; a retry moves it.';

COMMENT ON COLUMN janus.job_status.expires_at IS 'Fails with code expired if it waits until then.';

COMMENT ON COLUMN janus.job_status.cancel_requested_at IS 'When janus.cancel was called.';

COMMENT ON COLUMN janus.job_status.finish_reason IS 'Why an answer ended: stop (by the model or a stop string) or length (max_tokens).';

COMMENT ON COLUMN janus.job_status.seed IS 'As given, or drawn when it was enqueued.';

COMMENT ON COLUMN janus.job_status.arguments IS 'The arguments of its kind, as resolved; the seed as a string.';

COMMENT ON COLUMN janus.job_status.upload_to IS 'As given, without query strings, which are signatures.';

COMMENT ON COLUMN janus.job_status.idempotency_key IS 'As given.';

COMMENT ON COLUMN janus.job_status.concurrency_key IS 'As given.';

COMMENT ON COLUMN janus.job_status.traceparent IS 'As given.';

COMMENT ON COLUMN janus.job_status.queue_position IS '1 for the next, counted up to 1001; NULL while not due. Counted are the jobs that are due before it with its owner and concurrency_key, and those of better priorities; owners and keys take turns.';

-- Name: status(bigint); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.status(job bigint) RETURNS SETOF janus.job_status
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    RETURN QUERY SELECT * FROM janus.job_status j WHERE j.id = status.job;
END $$;

COMMENT ON FUNCTION janus.status(job bigint) IS 'One row on a job: state, phase, progress, place in the queue, result or error.

job: The id that the enqueueing function returned.
Returns: The job''s row of janus.jobs, with queue_position; no row if there is no such job, or it is not yours.';

-- Name: understand(text, text[], bytea[], integer, real, real, bigint, text, text[], integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.understand(prompt text, image_urls text[] DEFAULT '{}'::text[], image_data bytea[] DEFAULT '{}'::bytea[], max_tokens integer DEFAULT 512, temperature real DEFAULT 0, top_p real DEFAULT 1, seed bigint DEFAULT NULL::bigint, system_prompt text DEFAULT NULL::text, stop text[] DEFAULT '{}'::text[], priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    answer bigint;
BEGIN
    INSERT INTO janus.understand_request (prompt, image_urls, image_data, max_tokens, temperature, top_p, seed, system_prompt, stop, priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model, queue, concurrency_key, traceparent, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) RETURNING result INTO answer;
    RETURN answer;
END $_$;

COMMENT ON FUNCTION janus.understand(prompt text, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) IS 'Enqueues a question, with pictures or without. See janus.status.

prompt: The question, 1 to prompt_bytes_max bytes, not white space alone; '''' beside a picture.
image_urls: Pictures to fetch when the job begins, before those of image_data; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes each. Both together have at most input_images_max.
image_data: Pictures themselves, PNG, JPEG or WebP, 1 to input_image_bytes_max bytes each.
max_tokens: The answer ends after so many tokens at the latest; 1 to max_tokens_max.
temperature: The logits are divided by it, 0 to 5; 0 takes the most likely token, which needs no seed.
top_p: Draws from the smallest set of most likely tokens whose probabilities reach it; 0.0001 to 1, which draws from all.
seed: 0 to 9223372036854775807. NULL draws one, which janus.jobs shows; the same seed, model and arguments give the same answer.
system_prompt: What the conversation begins with, 1 to system_prompt_bytes_max bytes. NULL takes the model''s own.
stop: The answer ends before the first of these strings; at most stop_max, 1 to 256 bytes each.
priority: 0 (first) to 9 (last).
run_at: Does not start before, and stands in line as if enqueued then; what is past counts as now. NULL: as soon as possible.
expires_at: Fails with code expired if it waits until then, for its first attempt or a later one; later than run_at and now. NULL: may wait for ever.
max_attempts: How often it is tried before it fails, 1 to max_attempts_max. Hand-overs do not count.
run_timeout: Longest running time of one attempt, 1 second to run_timeout_seconds_max.
idempotency_key: 1 to 255 bytes, your role''s own. A repeat with the same arguments returns the first job''s id, with others it is refused; times, traceparent and query strings of URLs may differ.
webhook_url: Is called (POST) at the events of webhook_events; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes. NULL: no calls.
webhook_events: Any of started, progress, succeeded, failed, canceled, each once; at least one with webhook_url.
upload_to: Sinks, at most upload_to_max, each once; every output goes to all of them before the job succeeds. db: keeps it in the database, as {} does; https://host/path/ is the start of a URL for each output; other https:// URLs take one output each, in order; file:///folder/ needs janus.grant_upload.
model: One that a daemon ever served, 1 to 128 bytes. NULL takes setting default_model.
queue: 1 to 64 letters, digits, _ . -
concurrency_key: 1 to 255 bytes, your role''s own: within a priority your jobs of one key take turns with those of the others, and an administrator may limit how many of them run and wait (janus.limit_key). NULL: none.
traceparent: A W3C trace context; kept and shown.
metadata: A JSON object, at most metadata_bytes_max bytes; kept, shown, and sent with webhooks.
Returns: The job''s id. The job exists when the transaction commits; roll back, and there was none.
22023: An argument is outside of its limits, or idempotency_key was used with other arguments; the message names argument, value and limit.
53400: Your role, or concurrency_key, has as many queued jobs as an administrator allows.';

-- Name: webhook_secret(); Type: FUNCTION; Schema: janus; Owner: -

CREATE FUNCTION janus.webhook_secret() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
#variable_conflict use_column
DECLARE
    answer text;
BEGIN
    INSERT INTO janus.webhook_secret_request DEFAULT VALUES RETURNING result INTO answer;
    RETURN answer;
END $$;

COMMENT ON FUNCTION janus.webhook_secret() IS 'Your role''s secret for verifying webhooks (Standard Webhooks), made at first use.

Returns: whsec_ and 32 bytes in base64.';

-- Name: answer_task(jsonb, integer, real, real, text, text[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.answer_task(turns jsonb, max_tokens integer, temperature real, top_p real, system_prompt text, stop text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT jsonb_build_object('messages', turns, 'max_tokens', max_tokens, 'temperature', temperature, 'top_p', top_p,
        'system_prompt', system_prompt, 'stop', stop)
$$;

-- Name: batch(regrole, text[], integer, bigint, real, real, integer, text, integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.batch(caller regrole, prompts text[], images integer DEFAULT 1, seed bigint DEFAULT NULL::bigint, cfg_weight real DEFAULT 5, temperature real DEFAULT 1, top_k integer DEFAULT 0, format text DEFAULT 'png'::text, priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    prompt_bytes CONSTANT bigint := janus_private.setting_int('prompt_bytes_max');
    shared jsonb;
    bad record;
BEGIN
    PERFORM janus_private.check_array('prompts', prompts, janus_private.setting_int('batch_max'));
    SELECT p.prompt, p.n INTO bad FROM unnest(prompts) WITH ORDINALITY AS p (prompt, n)
    WHERE octet_length(p.prompt) > prompt_bytes OR p.prompt ~ '^\s*$' ORDER BY p.n LIMIT 1;
    IF FOUND THEN
        PERFORM janus_private.check_text(pg_catalog.format('prompts[%s]', bad.n), bad.prompt, prompt_bytes);
    ELSIF cardinality(prompts) = 0 THEN
        RETURN '{}';
    END IF;
    shared := janus_private.generate_task(images, cfg_weight, temperature, top_k, format);
    RETURN janus_private.enqueue_all(caller, 'generate',
        ARRAY(SELECT shared || jsonb_build_object('prompt', p.prompt) FROM unnest(prompts) WITH ORDINALITY AS p (prompt, n) ORDER BY p.n),
        seed, '{}', '{}', images, (priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events,
            upload_to, model, queue, concurrency_key, traceparent, metadata));
END $_$;

-- Name: batch_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.batch_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.batch((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.prompts, NEW.images, NEW.seed, NEW.cfg_weight, NEW.temperature, NEW.top_k, NEW.format, NEW.priority, NEW.run_at, NEW.expires_at, NEW.max_attempts, NEW.run_timeout, NEW.idempotency_key, NEW.webhook_url, NEW.webhook_events, NEW.upload_to, NEW.model, NEW.queue, NEW.concurrency_key, NEW.traceparent, NEW.metadata);
    RETURN NEW;
END $$;

-- Name: cancel(regrole, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.cancel(caller regrole, job bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: cancel_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.cancel_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.cancel((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.job);
    RETURN NEW;
END $$;

-- Name: channel(regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.channel(caller regrole) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO janus_private.channel (owner, name) SELECT caller, janus_private.random_channel()
    WHERE NOT EXISTS (SELECT FROM janus_private.channel c WHERE c.owner = caller)
    ON CONFLICT (owner) DO NOTHING;
    RETURN (SELECT c.name FROM janus_private.channel c WHERE c.owner = caller);
END $$;

-- Name: channel_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.channel_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.channel((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller));
    RETURN NEW;
END $$;

-- Name: chat(regrole, jsonb, text[], bytea[], integer, real, real, bigint, text, text[], integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.chat(caller regrole, messages jsonb, image_urls text[] DEFAULT '{}'::text[], image_data bytea[] DEFAULT '{}'::bytea[], max_tokens integer DEFAULT 512, temperature real DEFAULT 0, top_p real DEFAULT 1, seed bigint DEFAULT NULL::bigint, system_prompt text DEFAULT NULL::text, stop text[] DEFAULT '{}'::text[], priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    turns jsonb;
BEGIN
    PERFORM janus_private.check_answer(image_urls, image_data, max_tokens, temperature, top_p, system_prompt, stop);
    turns := janus_private.chat_messages(messages, cardinality(image_urls) + cardinality(image_data));
    IF messages -> 0 ->> 'role' = 'system' THEN
        IF system_prompt IS NOT NULL THEN
            PERFORM janus_private.refuse('system_prompt and a system message are both given', 'Give one of them.');
        END IF;
        system_prompt := messages -> 0 ->> 'content';
    END IF;
    RETURN janus_private.enqueue(caller, 'chat', janus_private.answer_task(turns, max_tokens, temperature, top_p, system_prompt, stop),
        seed, image_urls, image_data, 1,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;

-- Name: chat_messages(jsonb, integer); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.chat_messages(messages jsonb, pictures integer) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    hint CONSTANT text := 'A message is {"role": "user", "content": "…", "images": 0}; user and assistant take turns, the user first and last.';
    said int := 0;
    place text;
    expected text := 'user';
    item jsonb;
    result jsonb := '[]';
    counted boolean := false;
BEGIN
    IF messages IS NULL OR jsonb_typeof(messages) <> 'array' THEN
        PERFORM janus_private.refuse(format('messages is %s: it must be a JSON array',
            coalesce('of type ' || jsonb_typeof(messages), 'NULL')), hint);
    END IF;
    PERFORM janus_private.check_number('messages, in messages,', jsonb_array_length(messages), 1,
        janus_private.setting_int('messages_max'));
    FOR i IN 0 .. jsonb_array_length(messages) - 1 LOOP
        item := messages -> i;
        place := format('messages[%s]', i);
        IF jsonb_typeof(item) <> 'object' THEN
            PERFORM janus_private.refuse(format('%s is of type %s: it must be an object', place, jsonb_typeof(item)), hint);
        ELSIF EXISTS (SELECT FROM jsonb_object_keys(item) AS k WHERE k NOT IN ('role', 'content', 'images')) THEN
            PERFORM janus_private.refuse(format('%s has the unknown key %L', place, (SELECT left(k, 80)
                FROM jsonb_object_keys(item) AS k WHERE k NOT IN ('role', 'content', 'images') LIMIT 1)), hint);
        ELSIF coalesce(jsonb_typeof(item -> 'role'), '') <> 'string' OR coalesce(jsonb_typeof(item -> 'content'), '') <> 'string' THEN
            PERFORM janus_private.refuse(format('%s lacks role or content, or one is not a string', place), hint);
        ELSIF item ? 'images' AND (item ->> 'images') !~ '^[0-9]{1,6}$' THEN
            PERFORM janus_private.refuse(format('%s.images is %s: it must be a whole number', place, left(item ->> 'images', 80)), hint);
        END IF;
        IF i = 0 AND item ->> 'role' = 'system' THEN
            PERFORM janus_private.check_text(place || '.content', item ->> 'content', janus_private.setting_int('system_prompt_bytes_max'));
            IF coalesce((item ->> 'images')::int, 0) <> 0 THEN
                PERFORM janus_private.refuse(format('%s.images is %s: only user messages have pictures', place, item ->> 'images'), hint);
            END IF;
            CONTINUE;
        END IF;
        IF item ->> 'role' <> expected THEN
            PERFORM janus_private.refuse(format('%s.role is %L: %s is expected there', place, left(item ->> 'role', 80), expected), hint);
        END IF;
        IF expected = 'assistant' AND coalesce((item ->> 'images')::int, 0) <> 0 THEN
            PERFORM janus_private.refuse(format('%s.images is %s: only user messages have pictures', place, item ->> 'images'), hint);
        END IF;
        counted := counted OR item ? 'images';
        said := said + coalesce((item ->> 'images')::int, 0);
        result := result || jsonb_build_array(jsonb_build_object('role', expected, 'content', item ->> 'content', 'images',
            coalesce((item ->> 'images')::int, 0)));
        expected := CASE expected WHEN 'user' THEN 'assistant' ELSE 'user' END;
    END LOOP;
    IF expected = 'user' THEN
        PERFORM janus_private.refuse('messages does not end with a user message', hint);
    END IF;
    IF NOT counted THEN
        -- Nobody said where the pictures stand: before the first question.
        result := jsonb_set(result, '{0,images}', to_jsonb(pictures));
    ELSIF said <> pictures THEN
        PERFORM janus_private.refuse(format('messages name %s pictures, but image_urls and image_data have %s', said, pictures),
            'Let the images of all messages add up to the pictures given.');
    END IF;
    FOR i IN 0 .. jsonb_array_length(result) - 1 LOOP
        IF result -> i ->> 'content' <> '' OR result -> i ->> 'images' = '0' THEN
            PERFORM janus_private.check_text(format('the content of %s message %s', result -> i ->> 'role', i + 1),
                result -> i ->> 'content', janus_private.setting_int('prompt_bytes_max'));
        END IF;
    END LOOP;
    RETURN result;
END $_$;

-- Name: chat_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.chat_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.chat((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.messages, NEW.image_urls, NEW.image_data, NEW.max_tokens, NEW.temperature, NEW.top_p, NEW.seed, NEW.system_prompt, NEW.stop, NEW.priority, NEW.run_at, NEW.expires_at, NEW.max_attempts, NEW.run_timeout, NEW.idempotency_key, NEW.webhook_url, NEW.webhook_events, NEW.upload_to, NEW.model, NEW.queue, NEW.concurrency_key, NEW.traceparent, NEW.metadata);
    RETURN NEW;
END $$;

-- Name: check_answer(text[], bytea[], integer, real, real, text, text[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_answer(image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, system_prompt text, stop text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    pictures_max bigint := janus_private.setting_int('input_images_max');
    bytes_max bigint := janus_private.setting_int('input_image_bytes_max');
BEGIN
    PERFORM janus_private.check_array('image_urls', image_urls, pictures_max);
    PERFORM janus_private.check_array('image_data', image_data, pictures_max);
    PERFORM janus_private.check_number('image_urls and image_data together, in pictures,',
        cardinality(image_urls) + cardinality(image_data), 0, pictures_max);
    FOR i IN 1 .. cardinality(image_urls) LOOP
        PERFORM janus_private.check_url(format('image_urls[%s]', i), image_urls[i]);
    END LOOP;
    FOR i IN 1 .. cardinality(image_data) LOOP
        PERFORM janus_private.check_number(format('image_data[%s], in bytes,', i), octet_length(image_data[i]), 1, bytes_max);
    END LOOP;
    PERFORM janus_private.check_number('max_tokens', max_tokens, 1, janus_private.setting_int('max_tokens_max'));
    PERFORM janus_private.check_number('temperature', temperature::numeric, 0, 5);
    PERFORM janus_private.check_number('top_p', top_p::numeric, 0.0001, 1);
    IF system_prompt IS NOT NULL THEN
        PERFORM janus_private.check_text('system_prompt', system_prompt, janus_private.setting_int('system_prompt_bytes_max'));
    END IF;
    PERFORM janus_private.check_array('stop', stop, janus_private.setting_int('stop_max'));
    FOR i IN 1 .. cardinality(stop) LOOP
        -- A stop string may be white space, a line break most of all.
        PERFORM janus_private.check_number(format('stop[%s], in bytes,', i), octet_length(stop[i]), 1, 256);
    END LOOP;
END $$;

-- Name: check_array(text, anyarray, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_array(argument text, value anyarray, most bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF value IS NULL OR array_ndims(value) > 1 OR array_position(value, NULL) IS NOT NULL THEN
        PERFORM janus_private.refuse(
            format('%s %s', argument, CASE WHEN value IS NULL THEN 'is NULL' WHEN array_ndims(value) > 1
                THEN 'has several dimensions: it must be a plain list' ELSE 'contains NULL' END),
            format('Give %s a list without NULLs; {} is the empty list.', argument));
    ELSIF cardinality(value) > most THEN
        PERFORM janus_private.refuse(
            format('%s has %s elements: the limit is %s', argument, cardinality(value), most),
            format('Give %s fewer elements.', argument));
    END IF;
END $$;

-- Name: check_common(janus_private.common, regrole, integer, integer); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_common(c janus_private.common, owner regrole, outputs integer, jobs integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    entry text;
    exact int := 0;
    known text;
BEGIN
    PERFORM janus_private.check_number('priority', c.priority, 0, 9);
    PERFORM janus_private.check_number('max_attempts', c.max_attempts, 1, janus_private.setting_int('max_attempts_max'));
    PERFORM janus_private.check_number('run_timeout (in seconds)', extract(epoch FROM c.run_timeout), 1,
        janus_private.setting_int('run_timeout_seconds_max'));

    IF c.queue IS NULL OR c.queue !~ '^[A-Za-z0-9_.-]{1,64}$' THEN
        PERFORM janus_private.refuse(format('queue is %s: it must have 1 to 64 letters, digits, _ . -',
            coalesce(quote_literal(left(c.queue, 80)), 'NULL')), 'The usual queue is ''default''.');
    END IF;
    IF c.model IS NOT NULL THEN
        PERFORM janus_private.check_text('model', c.model, 128);
        SELECT string_agg(m.name, ', ' ORDER BY m.name) INTO known FROM janus_private.model m;
        IF known IS NOT NULL AND NOT EXISTS (SELECT FROM janus_private.model m WHERE m.name = c.model) THEN
            PERFORM janus_private.refuse(format('model is %L: no daemon ever served it', c.model),
                format('Known models: %s. Leave model out to take the default.', known));
        END IF;
    END IF;
    IF c.idempotency_key IS NOT NULL THEN
        -- of many jobs each has its ordinal behind it
        PERFORM janus_private.check_text('idempotency_key', c.idempotency_key, CASE WHEN jobs > 1 THEN 247 ELSE 255 END);
    END IF;
    IF c.concurrency_key IS NOT NULL THEN
        PERFORM janus_private.check_text('concurrency_key', c.concurrency_key, 255);
    END IF;
    IF c.traceparent !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' OR c.traceparent ~ '^ff|-0{32}-|-0{16}-' THEN
        PERFORM janus_private.refuse(format('traceparent is %L: it is not a W3C trace context', left(c.traceparent, 80)),
            'It looks like 00-<32 hexadecimal digits>-<16 digits>-01.');
    END IF;
    IF c.metadata IS NULL OR jsonb_typeof(c.metadata) <> 'object' THEN
        PERFORM janus_private.refuse(format('metadata is %s: it must be a JSON object',
            coalesce('of type ' || jsonb_typeof(c.metadata), 'NULL')), 'Give an object such as {"customer": "42"}.');
    END IF;
    PERFORM janus_private.check_text('metadata', c.metadata::text, janus_private.setting_int('metadata_bytes_max'));

    PERFORM janus_private.check_array('webhook_events', c.webhook_events, 5);
    FOREACH entry IN ARRAY c.webhook_events LOOP
        IF entry NOT IN ('started', 'progress', 'succeeded', 'failed', 'canceled') THEN
            PERFORM janus_private.refuse(format('webhook_events contains %L', left(entry, 80)),
                'Events are started, progress, succeeded, failed and canceled.');
        END IF;
    END LOOP;
    IF cardinality(c.webhook_events) <> (SELECT count(DISTINCT e) FROM unnest(c.webhook_events) AS e) THEN
        PERFORM janus_private.refuse('webhook_events names an event twice', 'Name each event once.');
    END IF;
    IF c.webhook_url IS NOT NULL THEN
        PERFORM janus_private.check_url('webhook_url', c.webhook_url);
        IF cardinality(c.webhook_events) = 0 THEN
            PERFORM janus_private.refuse('webhook_events is empty: webhook_url would never be called',
                'Name at least one event, or leave webhook_url out.');
        END IF;
    END IF;

    PERFORM janus_private.check_array('upload_to', c.upload_to, janus_private.setting_int('upload_to_max'));
    FOR i IN 1 .. cardinality(c.upload_to) LOOP
        PERFORM janus_private.check_sink(format('upload_to[%s]', i), c.upload_to[i], owner);
        -- A path that ends in / is a collection, which takes any number; any other URL takes one object.
        IF c.upload_to[i] ~* '^https?:' AND split_part(c.upload_to[i], '?', 1) !~* '^https?://[^/]+(/(.*/)?)?$' THEN
            exact := exact + 1;
        END IF;
    END LOOP;
    IF exact > 0 AND jobs > 1 THEN
        PERFORM janus_private.refuse(format('upload_to has %s exact URLs for %s jobs: each job would write to the same', exact, jobs),
            'Give URLs whose paths end in /, below which every output has a name of its own, or db:.');
    ELSIF exact NOT IN (0, outputs) THEN
        PERFORM janus_private.refuse(
            format('upload_to has %s exact URLs for %s outputs: they must be equal in number', exact, outputs),
            'Give one presigned URL for each output, in order; a URL whose path ends in / takes them all.');
    END IF;
    IF cardinality(c.upload_to) <> (SELECT count(DISTINCT u) FROM unnest(c.upload_to) AS u) THEN
        PERFORM janus_private.refuse('upload_to names a sink twice', 'Name each sink once.');
    END IF;
END $_$;

-- Name: check_grant(name, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_grant(role name, prefix text) RETURNS regrole
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

-- Name: check_limit(text, integer, integer); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_limit(argument text, value integer, low integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF value IS NOT NULL THEN
        PERFORM janus_private.check_number(argument, value, low, 1000000);
    END IF;
END $$;

-- Name: check_number(text, numeric, numeric, numeric); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_number(argument text, value numeric, low numeric, high numeric) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF value IS NULL OR value < low OR value > high THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it must be between %s and %s', argument, coalesce(value::text, 'NULL'), low, high),
            format('Give %s a value in that range, or leave it out to take its default.', argument));
    END IF;
END $$;

-- Name: check_queued(regrole, text, integer); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_queued(owner regrole, key text, more integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    t janus_private.owner_limit;
    most bigint;
    waiting bigint;
BEGIN
    SELECT * INTO t FROM janus_private.owner_limit x WHERE x.owner = check_queued.owner;
    most := coalesce(t.queued_max, janus_private.setting_int('owner_queued_max'));
    IF most IS NOT NULL THEN
        SELECT count(*) INTO waiting FROM (
            SELECT FROM janus_private.job j WHERE j.owner = check_queued.owner AND j.state = 'queued' LIMIT most + 1) AS x;
        IF waiting + more > most THEN
            RAISE EXCEPTION USING ERRCODE = '53400',
                MESSAGE = format('role %s has %s queued jobs: with %s more there are too many, the limit is %s', owner, waiting, more, most),
                HINT = 'Wait until some have started, or let an administrator change it by janus.limit_owner.';
        END IF;
    END IF;
    IF key = '' THEN
        RETURN;
    END IF;
    most := coalesce((SELECT l.queued_max FROM janus_private.key_limit l WHERE l.owner = check_queued.owner AND l.key = check_queued.key),
        t.key_queued_max, janus_private.setting_int('key_queued_max'));
    IF most IS NOT NULL THEN
        SELECT count(*) INTO waiting FROM (
            SELECT FROM janus_private.job j
            WHERE j.owner = check_queued.owner AND j.concurrency_key = check_queued.key AND j.state = 'queued'
                AND j.concurrency_key <> ''
            LIMIT most + 1) AS x;
        IF waiting + more > most THEN
            RAISE EXCEPTION USING ERRCODE = '53400',
                MESSAGE = format('role %s has %s queued jobs with concurrency_key %L: with %s more there are too many, the limit is %s',
                    owner, waiting, key, more, most),
                HINT = 'Wait until some have started, or let an administrator change it by janus.limit_key or janus.limit_owner.';
        END IF;
    END IF;
END $$;

-- Name: check_sink(text, text, regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_sink(argument text, value text, owner regrole) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    shown text := left(split_part(value, '?', 1), 120);
BEGIN
    IF value = 'db:' THEN
        RETURN;
    ELSIF value ~* '^https?://' THEN
        PERFORM janus_private.check_url(argument, value);
    ELSIF value ~ '^s3://' THEN
        PERFORM janus_private.refuse(format('%s is %s: s3:// is not a sink', argument, shown),
            'Use a presigned https:// URL for each output, or db:.');
    ELSIF value ~ '^file:' THEN
        PERFORM janus_private.check_text(argument, value, janus_private.setting_int('url_bytes_max'));
        IF value !~ '^file:///([A-Za-z0-9._~@:+=,-]+/)+$' OR value ~ '/\.\.?/' THEN
            PERFORM janus_private.refuse(
                format('%s is %s: it must be a folder file:///path/ of plain names', argument, shown),
                'End it with /, and use letters, digits and . _ ~ @ : + = , - only.');
        ELSIF NOT EXISTS (
            SELECT FROM janus_private.upload_grant g
            WHERE starts_with(value, g.prefix) AND g.role = ANY (janus_private.inherited_roles(check_sink.owner))
        ) THEN
            PERFORM janus_private.refuse(format('%s is %s: role %s may not upload there', argument, shown, owner),
                format('An administrator can allow it by SELECT janus.grant_upload(%L, %L).', pg_get_userbyid(owner), value));
        END IF;
    ELSE
        PERFORM janus_private.refuse(
            format('%s is %s: its scheme is not db:, https://, or file:///', argument, coalesce(shown, 'NULL')),
            'db: keeps the output in the database; see the documentation of upload_to for the others.');
    END IF;
END $_$;

-- Name: check_text(text, text, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_text(argument text, value text, most bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    IF value IS NULL OR value ~ '^\s*$' THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it needs 1 to %s bytes of text', argument,
                CASE WHEN value IS NULL THEN 'NULL' WHEN value = '' THEN 'empty' ELSE 'white space' END, most),
            format('Give %s some text.', argument));
    ELSIF octet_length(value) > most THEN
        PERFORM janus_private.refuse(
            format('%s has %s bytes: the limit is %s', argument, octet_length(value), most), format('Shorten %s.', argument));
    END IF;
END $_$;

-- Name: check_url(text, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.check_url(argument text, value text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    shown text := left(split_part(value, '?', 1), 120);
    authority text := substring(value FROM '^[A-Za-z]+://([^/?#]*)');
    port text := substring(authority FROM ':([0-9]+)$');
BEGIN
    PERFORM janus_private.check_text(argument, value, janus_private.setting_int('url_bytes_max'));
    IF value ~* '^http://' AND NOT janus_private.setting_on('allow_http') THEN
        PERFORM janus_private.refuse(format('%s is %s: http:// is not allowed here, only https://', argument, shown),
            'An administrator can allow it by SELECT janus.configure(''allow_http'', ''on'').');
    ELSIF octet_length(authority) > length(authority) THEN
        PERFORM janus_private.refuse(format('%s is %s: the name of its host is not in ASCII', argument, shown),
            'Give the xn-- form of the name; janusd enqueue makes it.');
    ELSIF authority !~ '[^!-~]' AND value ~ '[^!-~]' THEN
        PERFORM janus_private.refuse(
            format('%s is %s: it has a blank, or another character that a URL cannot hold', argument, shown),
            format('Percent-encode it, as in %s', janus_private.percent_encoded(shown)));
    ELSIF value !~* '^https?://([a-z0-9._~-]+|[[][0-9a-f:.]+[]])(:[0-9]*)?([/?][^#]*)?$'
        OR NOT janus_private.is_ipv6(substring(authority FROM '^[[](.*)[]]')) THEN
        PERFORM janus_private.refuse(format('%s is %s: it must be a URL https://host/path', argument, shown),
            'Give a whole URL, percent-encoded, without user name, password or fragment.');
    ELSIF port::numeric NOT BETWEEN 1 AND 65535 THEN
        PERFORM janus_private.refuse(format('%s is %s: its port must be between 1 and 65535', argument, shown),
            'Leave the port out to take the usual one.');
    END IF;
END $_$;

-- Name: claim(text, text[], integer, text[], uuid, text, double precision); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.claim(model text, queues text[], places integer, excluded text[], daemon uuid, host text, lease_seconds double precision) RETURNS TABLE(job bigint, run_lease bigint, claim_token uuid, uuid uuid, owner text, attempts integer, run_timeout double precision, webhook_url text, webhook_events json, upload_to json, is_suspect boolean, task jsonb, image_urls json, inline_images integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $_$
#variable_conflict use_column
DECLARE
    rounds_max CONSTANT int := 8;
    -- Looked at beyond what is wanted: jobs that other daemons take meanwhile, lanes that turn out to be empty.
    spare CONSTANT int := 16;
    -- Expired jobs, or jobs that a client has locked, that are passed over in a key lane.
    passed_max CONSTANT int := 32;
    clogged_seconds CONSTANT double precision := 1;
    -- Key lanes that may be looked at in vain; from there on a priority has one round, and a lane two of its keys.
    vain_max CONSTANT int := 32;
    keys_then_max CONSTANT int := 2;
    owner_max CONSTANT bigint := janus_private.setting_int('owner_running_max');
    key_max CONSTANT bigint := janus_private.setting_int('key_running_max');
    open_queues CONSTANT text[] := ARRAY(SELECT q FROM unnest(claim.queues) AS q
        WHERE NOT EXISTS (SELECT FROM janus_private.paused_queue p WHERE p.queue = q));
    -- Of a role that is gone the number is its name.
    left_out CONSTANT oid[] := ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = ANY (claim.excluded)
        UNION ALL SELECT (e.number % 4294967296)::oid FROM (
            SELECT CASE WHEN n ~ '^[0-9]{1,10}$' THEN n::bigint END AS number FROM unnest(claim.excluded) AS n) AS e
        WHERE e.number IS NOT NULL);
    wanted int := claim.places;
    urgency int := -1;
    moment timestamptz;
    busy record;
    plan record;
    tried bigint[];
    ours oid[];
    taken int;
    claimed_lanes bigint[];
    vain int := 0;
    is_unfinished boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = '25001',
            MESSAGE = format('claims need transaction isolation read committed: here it is %s', current_setting('transaction_isolation')),
            HINT = format('ALTER ROLE %I SET default_transaction_isolation = ''read committed''', session_user);
    END IF;
    SELECT d.is_contended INTO is_unfinished FROM janus_private.digest(claim.model, open_queues) AS d;
    WHILE wanted > 0 LOOP
        SELECT min(l.priority) INTO urgency
        FROM unnest(open_queues) AS q (queue)
        CROSS JOIN LATERAL (
            SELECT x.priority FROM janus_private.lane x
            WHERE x.is_waiting AND x.model = claim.model AND x.queue = q.queue AND x.priority > urgency
            ORDER BY x.priority LIMIT 1) AS l;
        EXIT WHEN urgency IS NULL;
        tried := '{}';

        FOR round IN 1 .. rounds_max LOOP
            moment := clock_timestamp();
            SELECT coalesce(array_agg(r.owner), '{}') AS owners, coalesce(array_agg(r.running), '{}') AS running
            INTO busy FROM (
                SELECT x.owner::oid AS owner, count(*)::int AS running FROM janus_private.run x GROUP BY x.owner::oid) AS r;

            -- Places are dealt like water: each to whoever has the fewest then. `turn` orders those that have equally many;
            -- the one at turn n gets at most 1/n of all places and one.
            WITH candidate AS MATERIALIZED (
                SELECT l.id, l.queue, l.owner, l.served_at, 0 AS running
                FROM unnest(open_queues) AS q (queue)
                CROSS JOIN LATERAL (
                    SELECT x.id, x.queue, x.owner::oid AS owner, x.served_at FROM janus_private.lane x
                    WHERE x.is_waiting AND x.model = claim.model AND x.queue = q.queue AND x.priority = urgency
                        AND x.owner::oid <> ALL (busy.owners) AND x.owner::oid <> ALL (left_out) AND x.id <> ALL (tried)
                    ORDER BY x.served_at NULLS FIRST, x.id
                    LIMIT wanted + spare) AS l
                UNION ALL
                SELECT l.id, l.queue, b.owner, l.served_at, b.running
                FROM unnest(busy.owners, busy.running) AS b (owner, running)
                CROSS JOIN unnest(open_queues) AS q (queue)
                CROSS JOIN LATERAL (
                    SELECT x.id, x.queue, x.served_at, x.is_waiting FROM janus_private.lane x
                    WHERE x.model = claim.model AND x.queue = q.queue AND x.priority = urgency AND x.owner::oid = b.owner
                    LIMIT 1) AS l  -- with a limit, and is_waiting out of it, the unique index is what there is to look it up
                WHERE l.is_waiting AND l.id <> ALL (tried) AND b.owner <> ALL (left_out)
            ), ranked AS (
                SELECT c.*, coalesce(t.running_max, owner_max) AS most,
                    row_number() OVER (ORDER BY c.running, c.served_at NULLS FIRST, c.id)::int AS turn
                FROM candidate c LEFT JOIN LATERAL (
                    SELECT x.running_max FROM janus_private.owner_limit x WHERE x.owner::oid = c.owner LIMIT 1) AS t ON true
                WHERE c.running < coalesce(t.running_max, owner_max, c.running + 1)
            ), dealt AS (
                SELECT r.id, r.queue, r.owner, r.running, r.most, r.turn
                FROM ranked r CROSS JOIN LATERAL generate_series(1,
                    least(coalesce(r.most - r.running, wanted + spare), (wanted + spare) / r.turn + 1)) AS s (n)
                ORDER BY r.running + s.n, r.turn LIMIT wanted + spare
            ), granted AS MATERIALIZED (
                SELECT d.id, d.queue, d.owner, d.running, d.most, d.turn, count(*)::int AS places FROM dealt d
                GROUP BY d.id, d.queue, d.owner, d.running, d.most, d.turn
            ), key_granted AS MATERIALIZED (
                SELECT g.*, k.key, k.most AS key_most, k.running AS key_running, k.turn AS key_turn, k.places AS key_places
                FROM granted g
                CROSS JOIN LATERAL (
                    SELECT d.key, d.most, d.running, d.turn, count(*)::int AS places
                    FROM (
                        SELECT r.key, r.most, r.running, r.turn
                        FROM (
                            SELECT c.key, c.running, m.most, row_number() OVER (ORDER BY c.running, c.served_at NULLS FIRST, c.key)::int AS turn
                            FROM (
                                (SELECT x.key, x.served_at, 0 AS running FROM janus_private.key_lane x
                                WHERE x.lane = g.id AND x.is_waiting
                                    AND (g.running = 0 OR NOT EXISTS (SELECT FROM janus_private.run r
                                        WHERE r.owner::oid = g.owner AND r.concurrency_key = x.key))
                                ORDER BY x.served_at NULLS FIRST, x.key
                                LIMIT CASE WHEN vain < vain_max THEN g.places ELSE least(g.places, keys_then_max) END)
                                UNION ALL
                                SELECT x.key, x.served_at, b.running
                                FROM (SELECT r.concurrency_key AS key, count(*)::int AS running FROM janus_private.run r
                                    WHERE g.running > 0 AND r.owner::oid = g.owner GROUP BY r.concurrency_key) AS b
                                CROSS JOIN LATERAL (SELECT y.key, y.served_at, y.is_waiting FROM janus_private.key_lane y
                                    WHERE y.lane = g.id AND y.key = b.key LIMIT 1) AS x
                                WHERE x.is_waiting
                            ) AS c
                            CROSS JOIN LATERAL (SELECT CASE WHEN c.key <> '' THEN coalesce(
                                (SELECT l.running_max FROM janus_private.key_limit l WHERE l.owner::oid = g.owner AND l.key = c.key),
                                (SELECT t.key_running_max FROM janus_private.owner_limit t WHERE t.owner::oid = g.owner),
                                key_max) END AS most) AS m
                            WHERE c.running < coalesce(m.most, c.running + 1)
                        ) AS r
                        CROSS JOIN LATERAL generate_series(1,
                            least(coalesce(r.most - r.running, g.places), g.places / r.turn + 1)) AS s (n)
                        ORDER BY r.running + s.n, r.turn LIMIT g.places
                    ) AS d
                    GROUP BY d.key, d.most, d.running, d.turn
                ) AS k
            ), looked AS MATERIALIZED (
                SELECT g.*, j.ids, j.seen
                FROM key_granted g
                CROSS JOIN LATERAL (
                    SELECT (array_agg(w.id ORDER BY w.due_at, w.id))[:g.key_places] AS ids, count(*)::int AS seen
                    FROM (
                        SELECT v.id, v.due_at
                        FROM (
                            SELECT x.id, x.due_at, x.expires_at FROM janus_private.job x
                            WHERE x.state = 'queued' AND x.model = claim.model AND x.queue = g.queue AND x.priority = urgency
                                AND x.owner = g.owner::regrole AND x.concurrency_key = g.key AND x.due_at <= moment
                            ORDER BY x.due_at, x.id LIMIT g.key_places + passed_max) AS v
                        WHERE v.expires_at IS NULL OR v.expires_at > moment
                        LIMIT g.key_places + 1) AS w
                ) AS j
            ), job_planned AS (
                SELECT l.id AS lane, l.owner, l.key, l.most, l.key_most, l.turn, i.id AS job,
                    l.running + row_number() OVER (PARTITION BY l.id ORDER BY l.key_running + i.n, l.key_turn)::int AS level
                FROM looked l CROSS JOIN LATERAL unnest(l.ids) WITH ORDINALITY AS i (id, n)
            )
            SELECT p.*, g.*, t.*, v.* INTO plan
            FROM (SELECT array_agg(x.job) AS jobs, array_agg(x.lane) AS lanes, array_agg(x.owner) AS owners,
                    array_agg(x.key) AS keys, array_agg(x.most) AS most, array_agg(x.key_most) AS key_most,
                    array_agg(x.level) AS levels
                FROM (SELECT * FROM job_planned ORDER BY level, turn) AS x) AS p,
                -- Lanes that were granted places.
                (SELECT array_agg(x.id) AS granted, array_agg(x.owner) AS granted_owners FROM granted x) AS g,
                -- Key lanes of which everything that may run was seen.
                (SELECT array_agg(x.id) AS thin_lanes, array_agg(x.key) AS thin_keys, array_agg(x.ids IS NULL) AS thin_empty FROM looked x
                WHERE x.seen <= x.key_places) AS t,
                (SELECT count(*)::int AS vain FROM looked x WHERE x.ids IS NULL) AS v;
            EXIT WHEN plan.granted IS NULL;

            SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
                SELECT t.owner::oid AS owner FROM janus_private.tenant t WHERE t.owner::oid = ANY (plan.granted_owners)
                FOR UPDATE SKIP LOCKED) AS x;

            -- A statement of its own: what runs is counted as of now, with the locks. Whoever is served by somebody else at
            -- this moment counts as running one more.
            taken := 0;
            IF plan.jobs IS NOT NULL THEN
                IF EXISTS (SELECT FROM unnest(plan.owners, plan.most, plan.key_most) AS p (owner, most, key_most)
                    WHERE p.owner <> ALL (ours) AND (p.most IS NOT NULL OR p.key_most IS NOT NULL))
                THEN
                    is_unfinished := true;
                END IF;
                RETURN QUERY
                WITH planned AS (
                    SELECT p.*, p.owner = ANY (ours) AS is_ours
                    FROM unnest(plan.jobs, plan.lanes, plan.owners, plan.keys, plan.most, plan.key_most, plan.levels) WITH ORDINALITY
                        AS p (job, lane, owner, key, most, key_most, level, place)
                ), counted AS (
                    SELECT p.*,
                        CASE WHEN p.most IS NOT NULL THEN row_number() OVER (PARTITION BY p.owner ORDER BY p.place)
                            + (SELECT count(*) FROM janus_private.run r WHERE r.owner::oid = p.owner) END AS nth,
                        CASE WHEN p.key_most IS NOT NULL THEN row_number() OVER (PARTITION BY p.owner, p.key ORDER BY p.place)
                            + (SELECT count(*) FROM janus_private.run r WHERE r.owner::oid = p.owner AND r.concurrency_key = p.key) END AS key_nth
                    FROM planned p
                    WHERE p.is_ours OR (p.most IS NULL AND p.key_most IS NULL)
                ), picked AS MATERIALIZED (
                    SELECT j.id, a.lane, a.key, a.is_ours
                    FROM (
                        SELECT * FROM counted c
                        WHERE (c.most IS NULL OR c.nth <= c.most) AND (c.key_most IS NULL OR c.key_nth <= c.key_most)
                        ORDER BY c.level + (NOT c.is_ours)::int, c.place) AS a
                    CROSS JOIN LATERAL (
                        SELECT x.id FROM janus_private.job x WHERE x.id = a.job AND x.state = 'queued' FOR UPDATE SKIP LOCKED) AS j
                    LIMIT wanted
                ), claimed AS (
                    UPDATE janus_private.job j
                    SET state = 'running', started_at = now(), attempts = j.attempts + 1, run_lease = j.run_lease + 1
                    FROM picked p WHERE j.id = p.id
                    RETURNING j.*
                ), leased AS (
                    INSERT INTO janus_private.run (job, run_lease, claim_token, daemon, owner, concurrency_key, started_at, lease_seconds,
                        lease_until, phase)
                    SELECT c.id, c.run_lease, gen_random_uuid(), claim.daemon, c.owner, c.concurrency_key, now(), claim.lease_seconds,
                        clock_timestamp() + make_interval(secs => claim.lease_seconds), 'preparing'
                    FROM claimed c
                    RETURNING job, claim_token
                ), recorded AS (
                    INSERT INTO janus_private.attempt (job, run_lease, attempt, generation, claim_token, daemon, host, started_at)
                    SELECT c.id, c.run_lease, c.attempts, c.generation, l.claim_token, claim.daemon, claim.host, now()
                    FROM claimed c JOIN leased l ON l.job = c.id
                ), lane_served AS (
                    UPDATE janus_private.lane l SET served_at = moment
                    WHERE l.id = ANY (ARRAY(SELECT p.lane FROM picked p WHERE p.is_ours))
                ), key_lane_served AS (
                    UPDATE janus_private.key_lane k SET served_at = moment
                    FROM (SELECT DISTINCT p.lane, p.key FROM picked p WHERE p.is_ours) AS p
                    WHERE k.lane = p.lane AND k.key = p.key
                )
                SELECT c.id, c.run_lease, l.claim_token, c.uuid,
                    coalesce((SELECT r.rolname::text FROM pg_roles r WHERE r.oid = c.owner), c.owner::oid::text), c.attempts,
                    extract(epoch FROM c.run_timeout)::double precision, c.webhook_url, to_json(c.webhook_events),
                    to_json(c.upload_to), c.is_suspect, i.task || jsonb_build_object('kind', c.kind), to_json(i.image_urls),
                    i.inline_images
                FROM claimed c
                JOIN leased l ON l.job = c.id
                CROSS JOIN LATERAL (SELECT x.* FROM janus_private.input x WHERE x.job = c.id) AS i
                ORDER BY c.priority, c.due_at, c.id;
                GET DIAGNOSTICS taken = ROW_COUNT;
                wanted := wanted - taken;
            END IF;

            -- Again a statement of its own: a key lane is put to sleep only where none of its jobs is due under our lock; what
            -- comes later brings its arrival.
            IF plan.thin_lanes IS NOT NULL THEN
                UPDATE janus_private.key_lane k
                SET is_waiting = false, served_at = coalesce(k.served_at, moment),
                    wakes_at = CASE WHEN n.due_at <= moment THEN moment + make_interval(secs => clogged_seconds) ELSE n.due_at END
                FROM unnest(plan.thin_lanes, plan.thin_keys, plan.thin_empty) AS t (lane, key, is_empty)
                CROSS JOIN LATERAL (SELECT x.* FROM janus_private.lane x WHERE x.id = t.lane) AS l
                LEFT JOIN LATERAL (
                    SELECT j.due_at, j.expires_at FROM janus_private.job j
                    WHERE j.state = 'queued' AND j.model = l.model AND j.queue = l.queue AND j.priority = l.priority
                        AND j.owner = l.owner AND j.concurrency_key = t.key
                    ORDER BY j.due_at, j.id LIMIT 1) AS n ON true
                WHERE l.owner::oid = ANY (ours) AND k.lane = t.lane AND k.key = t.key
                    AND (n.due_at IS NULL OR n.due_at > moment OR (t.is_empty AND n.expires_at <= moment));
                PERFORM janus_private.refresh_lanes(ARRAY(
                    SELECT l.id FROM janus_private.lane l WHERE l.id = ANY (plan.thin_lanes) AND l.owner::oid = ANY (ours)));
            END IF;

            EXIT WHEN wanted = 0;
            vain := vain + plan.vain + CASE WHEN taken = 0 THEN coalesce(cardinality(plan.jobs), 0) ELSE 0 END;
            -- Everything planned was tried. Who gave nothing had its turn all the same, and is not asked again in
            -- this claim, unless some of its key lanes were put to sleep and others are to be looked at.
            SELECT coalesce(array_agg(DISTINCT p.lane), '{}') INTO claimed_lanes
            FROM unnest(plan.jobs, plan.lanes) AS p (job, lane)
            WHERE EXISTS (SELECT FROM janus_private.run r WHERE r.job = p.job AND r.daemon = claim.daemon);
            UPDATE janus_private.lane l SET served_at = moment
            WHERE l.id = ANY (plan.granted) AND l.id <> ALL (claimed_lanes) AND l.owner::oid = ANY (ours) AND l.is_waiting;
            tried := tried || ARRAY(SELECT unnest(plan.granted) EXCEPT SELECT unnest(claimed_lanes)
                EXCEPT SELECT t.lane FROM unnest(plan.thin_lanes) AS t (lane) JOIN janus_private.lane l ON l.id = t.lane
                    WHERE l.owner::oid = ANY (ours));
            is_unfinished := is_unfinished OR vain >= vain_max OR round = rounds_max;
            EXIT WHEN vain >= vain_max;
        END LOOP;
    END LOOP;

    IF is_unfinished AND wanted = claim.places THEN
        job := NULL;
        RETURN NEXT;
    END IF;
END $_$;

-- Name: digest(text, text[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.digest(model text, queues text[], OUT taken bigint, OUT is_contended boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
#variable_conflict use_column
DECLARE
    owners_max CONSTANT int := 1000;
    -- All owners together, as far as it goes round: each is allowed a few.
    arrivals_max CONSTANT int := 250;
    few CONSTANT int := 2;
    lanes_max CONSTANT int := 100;
    keys_max CONSTANT int := 4;
    moment timestamptz := clock_timestamp();
    arriving oid[];
    waking bigint[];
    waking_owners oid[];
    owners oid[];
    ours oid[];
    arrived record;
    touched bigint[] := '{}';
BEGIN
    taken := 0;
    is_contended := false;
    WITH RECURSIVE arriving AS (
        (SELECT a.owner::oid AS owner FROM janus_private.arrival a ORDER BY a.owner::oid LIMIT 1)
        UNION ALL
        SELECT (SELECT a.owner::oid FROM janus_private.arrival a WHERE a.owner::oid > p.owner ORDER BY a.owner::oid LIMIT 1)
        FROM arriving p WHERE p.owner IS NOT NULL
    )
    SELECT array_agg(a.owner) INTO arriving FROM (SELECT p.owner FROM arriving p WHERE p.owner IS NOT NULL LIMIT owners_max) AS a;
    SELECT array_agg(l.id), array_agg(l.owner) INTO waking, waking_owners
    FROM unnest(digest.queues) AS q (queue)
    CROSS JOIN LATERAL (
        SELECT x.id, x.owner::oid AS owner FROM janus_private.lane x
        WHERE x.model = digest.model AND x.queue = q.queue AND x.wakes_at <= moment ORDER BY x.wakes_at LIMIT lanes_max) AS l;
    owners := ARRAY(SELECT unnest(arriving) UNION SELECT unnest(waking_owners));
    IF owners = '{}' THEN
        RETURN;
    END IF;

    INSERT INTO janus_private.tenant (owner)
    SELECT o.owner::regrole FROM unnest(arriving) AS o (owner)
    WHERE NOT EXISTS (SELECT FROM janus_private.tenant t WHERE t.owner::oid = o.owner) ORDER BY o.owner
    ON CONFLICT DO NOTHING;
    SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
        SELECT t.owner::oid AS owner FROM janus_private.tenant t WHERE t.owner::oid = ANY (owners) FOR UPDATE SKIP LOCKED) AS x;
    is_contended := cardinality(ours) < cardinality(owners);

    -- Each statement from here on sees what whoever had the lock before committed.
    WITH gone AS (
        DELETE FROM janus_private.arrival a
        USING (
            SELECT x.* FROM unnest(ours) AS o (owner)
            CROSS JOIN LATERAL (
                SELECT y.owner::oid AS owner, y.id FROM janus_private.arrival y WHERE y.owner::oid = o.owner ORDER BY y.owner::oid, y.id
                LIMIT greatest(arrivals_max / greatest(cardinality(ours), 1), few)) AS x) AS g
        WHERE a.owner::oid = g.owner AND a.id = g.id
        RETURNING a.*
    ), by_lane AS (
        SELECT g.model, g.queue, g.priority, g.owner, g.key, min(g.due_at) AS due_at, count(*) AS n FROM gone g
        GROUP BY g.model, g.queue, g.priority, g.owner, g.key
    )
    SELECT array_agg(d.model) AS models, array_agg(d.queue) AS queues, array_agg(d.priority) AS priorities,
        array_agg(d.owner::oid) AS owners, array_agg(d.key) AS keys, array_agg(d.due_at) AS dues, sum(d.n) AS n
    INTO arrived FROM by_lane d;

    IF arrived.n > 0 THEN
        taken := arrived.n;
        -- Later than all of them came.
        moment := clock_timestamp();
        INSERT INTO janus_private.lane (model, queue, priority, owner, is_waiting)
        SELECT DISTINCT a.model, a.queue, a.priority, a.owner::regrole, false
        FROM unnest(arrived.models, arrived.queues, arrived.priorities, arrived.owners) AS a (model, queue, priority, owner)
        WHERE NOT EXISTS (SELECT FROM janus_private.lane l
            WHERE l.model = a.model AND l.queue = a.queue AND l.priority = a.priority AND l.owner::oid = a.owner);

        WITH placed AS (
            INSERT INTO janus_private.key_lane AS k (lane, key, is_waiting, wakes_at)
            SELECT l.id, a.key, a.due_at <= moment, CASE WHEN a.due_at > moment THEN a.due_at END
            FROM unnest(arrived.models, arrived.queues, arrived.priorities, arrived.owners, arrived.keys, arrived.dues)
                AS a (model, queue, priority, owner, key, due_at)
            JOIN janus_private.lane l
                ON l.model = a.model AND l.queue = a.queue AND l.priority = a.priority AND l.owner::oid = a.owner
            WHERE NOT coalesce((SELECT x.is_waiting FROM janus_private.key_lane x WHERE x.lane = l.id AND x.key = a.key), false)
            ON CONFLICT (lane, key) DO UPDATE SET is_waiting = excluded.is_waiting,
                wakes_at = CASE WHEN NOT excluded.is_waiting THEN least(k.wakes_at, excluded.wakes_at) END
            RETURNING k.lane
        )
        SELECT coalesce(array_agg(p.lane), '{}') INTO touched FROM placed p;
    END IF;

    IF waking IS NOT NULL THEN
        WITH due AS (
            SELECT l.id, k.key
            FROM unnest(waking, waking_owners) AS l (id, owner)
            CROSS JOIN LATERAL (
                SELECT x.key FROM janus_private.key_lane x WHERE x.lane = l.id AND x.wakes_at <= moment ORDER BY x.wakes_at LIMIT keys_max) AS k
            WHERE l.owner = ANY (ours)
        ), roused AS (
            UPDATE janus_private.key_lane k SET is_waiting = true, wakes_at = NULL
            FROM due d WHERE k.lane = d.id AND k.key = d.key
            RETURNING k.lane
        )
        SELECT count(*) + taken, touched || coalesce(array_agg(r.lane), '{}') INTO taken, touched FROM roused r;
    END IF;
    PERFORM janus_private.refresh_lanes(touched);
END $$;

-- Name: emit(bigint, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.emit(job_id bigint, event text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

-- Name: enqueue(regrole, text, jsonb, bigint, text[], bytea[], integer, integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.enqueue(caller regrole, kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], outputs integer, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN (janus_private.enqueue_all(caller, kind, ARRAY[task], seed, image_urls, image_data, outputs,
        (priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model,
            queue, concurrency_key, traceparent, metadata)))[1];
END $$;

-- Name: enqueue_all(regrole, text, jsonb[], bigint, text[], bytea[], integer, janus_private.common); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.enqueue_all(caller regrole, kind text, tasks jsonb[], seed bigint, image_urls text[], image_data bytea[], outputs integer, c janus_private.common) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_variable
DECLARE
    total CONSTANT int := cardinality(tasks);
    lane_key CONSTANT text := coalesce(c.concurrency_key, '');
    model CONSTANT text := coalesce(c.model, janus_private.setting_text('default_model'));
    moment timestamptz;
    keys text[];
    prints bytea[];
    earlier record;
    ids bigint[] := array_fill(NULL::bigint, ARRAY[total]);
    missing int[] := ARRAY(SELECT n FROM generate_series(1, total) AS n);
    missing_tasks jsonb[] := tasks;
    new_ids bigint[];
    made bigint[];
BEGIN
    IF seed < 0 THEN
        PERFORM janus_private.refuse(format('seed is %s: it must be between 0 and 9223372036854775807', seed),
            'Leave seed out to draw a random one.');
    END IF;
    PERFORM janus_private.check_common(c, caller, outputs, total);
    IF c.idempotency_key IS NOT NULL THEN
        keys := ARRAY(SELECT c.idempotency_key || CASE WHEN total > 1 THEN ':' || n ELSE '' END FROM generate_series(1, total) AS n);
        prints := ARRAY(SELECT janus_private.fingerprint(kind, t.task, seed, image_urls, image_data, c)
            FROM unnest(tasks) WITH ORDINALITY AS t (task, n) ORDER BY t.n);
    END IF;

    LOOP
        -- Before the times are judged: a repeat may come when they are past.
        IF keys IS NOT NULL THEN
            FOR earlier IN
                SELECT k.n, j.id, j.idempotency_fingerprint = prints[k.n] AS is_same
                FROM unnest(keys) WITH ORDINALITY AS k (key, n)
                CROSS JOIN LATERAL (SELECT x.* FROM janus_private.job x WHERE x.owner = caller AND x.idempotency_key = k.key) AS j
                WHERE ids[k.n] IS NULL
            LOOP
                IF NOT earlier.is_same THEN
                    RAISE EXCEPTION USING ERRCODE = '22023',
                        MESSAGE = format('idempotency_key %L was used for job %s with other arguments', keys[earlier.n], earlier.id),
                        HINT = 'Repeat the first call exactly, or choose a new key.';
                END IF;
                ids[earlier.n] := earlier.id;
            END LOOP;
            missing := ARRAY(SELECT i.n FROM unnest(ids) WITH ORDINALITY AS i (id, n) WHERE i.id IS NULL ORDER BY i.n);
            IF cardinality(missing) = 0 THEN
                RETURN ids;
            END IF;
        END IF;
        moment := clock_timestamp();
        IF NOT isfinite(c.run_at) THEN
            PERFORM janus_private.refuse(format('run_at is %s: it must be a moment', c.run_at),
                'Leave run_at out to run as soon as possible.');
        ELSIF c.expires_at <= now() OR c.expires_at <= c.run_at OR NOT isfinite(c.expires_at) THEN
            PERFORM janus_private.refuse(format('expires_at is %s: it must be a moment after run_at (%s)', c.expires_at,
                greatest(c.run_at, now())), 'Leave expires_at out for a job that may wait for ever.');
        END IF;
        PERFORM janus_private.check_queued(caller, lane_key, cardinality(missing));

        -- Their ids are drawn first, in the order of the tasks, so that jobs and inputs are found by them.
        new_ids := ARRAY(SELECT nextval('janus_private.job_id_seq') FROM generate_series(1, cardinality(missing)));
        IF cardinality(missing) < total THEN
            missing_tasks := ARRAY(SELECT tasks[n] FROM unnest(missing) WITH ORDINALITY AS m (n, place) ORDER BY m.place);
        END IF;
        WITH inserted AS (
            INSERT INTO janus_private.job (id, owner, kind, queue, model, priority, due_at, expires_at, max_attempts, run_timeout,
                concurrency_key, traceparent, idempotency_key, idempotency_fingerprint, webhook_url, webhook_events,
                upload_to, metadata) OVERRIDING SYSTEM VALUE
            SELECT x.id, caller, kind, c.queue, model, c.priority, greatest(c.run_at, moment), c.expires_at, c.max_attempts,
                c.run_timeout, lane_key, c.traceparent, keys[x.n], prints[x.n], c.webhook_url, c.webhook_events, c.upload_to, c.metadata
            FROM unnest(new_ids, missing) AS x (id, n)
            ON CONFLICT (owner, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
            RETURNING id
        )
        SELECT coalesce(array_agg(i.id), '{}') INTO made FROM inserted i;
        -- Not inserted: the same key was committed a moment ago, so the look-up finds it now.
        IF cardinality(made) < cardinality(missing) THEN
            new_ids := ARRAY(SELECT CASE WHEN x.id IN (SELECT unnest(made)) THEN x.id END
                FROM unnest(new_ids) WITH ORDINALITY AS x (id, n) ORDER BY x.n);
        END IF;

        INSERT INTO janus_private.input (job, task, image_urls, inline_images)
        SELECT x.id, x.task || jsonb_build_object('seed', coalesce(seed, janus_private.random_seed())::text), image_urls,
            cardinality(image_data)
        FROM unnest(new_ids, missing_tasks) AS x (id, task) WHERE x.id IS NOT NULL;
        IF cardinality(image_data) > 0 THEN
            INSERT INTO janus_private.input_image (job, index, data)
            SELECT x.id, d.n - 1, d.data
            FROM unnest(new_ids) AS x (id) CROSS JOIN unnest(image_data) WITH ORDINALITY AS d (data, n)
            WHERE x.id IS NOT NULL;
        END IF;
        FOR i IN 1 .. cardinality(missing) LOOP
            ids[missing[i]] := new_ids[i];
        END LOOP;
        EXIT WHEN cardinality(made) = cardinality(missing);
    END LOOP;

    IF c.webhook_url IS NOT NULL THEN
        PERFORM janus_private.ensure_webhook_secret(caller);
    END IF;
    IF c.run_at IS NULL OR c.run_at <= moment THEN
        -- The same payload counts once a transaction.
        PERFORM janus_private.wake('janus_queued');
    END IF;
    RETURN ids;
END $$;

-- Name: ensure_default_model(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.ensure_default_model(model text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

-- Name: ensure_webhook_secret(regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.ensure_webhook_secret(holder regrole) RETURNS bytea
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    current bytea;
BEGIN
    INSERT INTO janus_private.webhook_secret (owner, secret)
    SELECT holder, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    WHERE NOT EXISTS (SELECT FROM janus_private.webhook_secret s WHERE s.owner = holder AND s.expires_at IS NULL)
    ON CONFLICT (owner) WHERE expires_at IS NULL DO NOTHING;
    SELECT s.secret INTO current FROM janus_private.webhook_secret s WHERE s.owner = holder AND s.expires_at IS NULL;
    RETURN current;
END $$;

-- Name: event_body(bigint, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.event_body(job_id bigint, event text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
    SELECT jsonb_build_object('type', 'job.' || event, 'timestamp', to_jsonb(now()), 'data',
        to_jsonb(s) - 'role' || jsonb_build_object('id', s.id::text, 'seed', s.seed::text))::text
    FROM janus_private.job_status s WHERE s.id = job_id
$$;

-- Name: fingerprint(text, jsonb, bigint, text[], bytea[], janus_private.common); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.fingerprint(kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], c janus_private.common) RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT sha256(convert_to('v1' || jsonb_build_object(
        'kind', kind, 'given', task || jsonb_build_object('seed', seed), 'priority', c.priority, 'max_attempts', c.max_attempts,
        'run_timeout', extract(epoch FROM c.run_timeout), 'model', c.model, 'queue', c.queue,
        'concurrency_key', c.concurrency_key, 'metadata', c.metadata,
        'webhook_url', split_part(c.webhook_url, '?', 1), 'webhook_events', c.webhook_events,
        'upload_to', (SELECT jsonb_agg(split_part(u, '?', 1) ORDER BY n) FROM unnest(c.upload_to) WITH ORDINALITY AS x (u, n)),
        'image_urls', (SELECT jsonb_agg(split_part(u, '?', 1) ORDER BY n) FROM unnest(image_urls) WITH ORDINALITY AS x (u, n)),
        'image_data', (SELECT jsonb_agg(encode(sha256(d), 'hex') ORDER BY n) FROM unnest(image_data) WITH ORDINALITY AS x (d, n))
    )::text, 'UTF8'))
$$;

-- Name: generate(regrole, text, integer, bigint, real, real, integer, text, integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.generate(caller regrole, prompt text, images integer DEFAULT 1, seed bigint DEFAULT NULL::bigint, cfg_weight real DEFAULT 5, temperature real DEFAULT 1, top_k integer DEFAULT 0, format text DEFAULT 'png'::text, priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM janus_private.check_text('prompt', prompt, janus_private.setting_int('prompt_bytes_max'));
    RETURN janus_private.enqueue(caller, 'generate', janus_private.generate_task(images, cfg_weight, temperature, top_k, format)
            || jsonb_build_object('prompt', prompt), seed, '{}', '{}', images,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;

-- Name: generate_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.generate_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.generate((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.prompt, NEW.images, NEW.seed, NEW.cfg_weight, NEW.temperature, NEW.top_k, NEW.format, NEW.priority, NEW.run_at, NEW.expires_at, NEW.max_attempts, NEW.run_timeout, NEW.idempotency_key, NEW.webhook_url, NEW.webhook_events, NEW.upload_to, NEW.model, NEW.queue, NEW.concurrency_key, NEW.traceparent, NEW.metadata);
    RETURN NEW;
END $$;

-- Name: generate_task(integer, real, real, integer, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.generate_task(images integer, cfg_weight real, temperature real, top_k integer, format text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM janus_private.check_number('images', images, 1, janus_private.setting_int('images_max'));
    PERFORM janus_private.check_number('cfg_weight', cfg_weight::numeric, 0, 30);
    PERFORM janus_private.check_number('temperature', temperature::numeric, 0, 5);
    PERFORM janus_private.check_number('top_k', top_k, 0, 16384);
    IF format IS NULL OR format NOT IN ('png', 'jpeg', 'webp') THEN
        PERFORM janus_private.refuse(pg_catalog.format('format is %s: it must be png, jpeg or webp',
            coalesce(quote_literal(left(format, 80)), 'NULL')), 'Leave format out to take png.');
    END IF;
    RETURN jsonb_build_object('images', images, 'cfg_weight', cfg_weight, 'temperature', temperature, 'top_k', top_k, 'format', format);
END $$;

-- Name: grant_to(text, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.grant_to(kind text, privilege text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    EXECUTE format('GRANT %s TO %s', privilege, (SELECT r.role FROM janus_private.role_name r WHERE r.kind = grant_to.kind));
END $$;

-- Name: is_cancel_requested(bigint, integer); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.is_cancel_requested(job_id bigint, generation integer) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM janus_private.cancellation c WHERE ((c.job = is_cancel_requested.job_id) AND (c.generation = is_cancel_requested.generation))));

-- Name: is_ipv6(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.is_ipv6(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN family(value::inet) = 6;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;

-- Name: job_arrived(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.job_arrived() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    INSERT INTO janus_private.arrival (model, queue, priority, owner, key, due_at)
    VALUES (NEW.model, NEW.queue, NEW.priority, NEW.owner, NEW.concurrency_key, NEW.due_at);
    RETURN NULL;
END $$;

-- Name: job_of(regrole, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.job_of(caller regrole, job_id bigint) RETURNS janus_private.job
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: jobs_arrived(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.jobs_arrived() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    INSERT INTO janus_private.arrival (model, queue, priority, owner, key, due_at)
    SELECT a.model, a.queue, a.priority, a.owner, a.concurrency_key, min(a.due_at)
    FROM arrived a WHERE a.state = 'queued' AND a.model IS NOT NULL
    GROUP BY a.model, a.queue, a.priority, a.owner, a.concurrency_key;
    RETURN NULL;
END $$;

-- Name: lock_in(bigint, text[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.lock_in(job_id bigint, states text[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: percent_encoded(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.percent_encoded(value text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT string_agg(CASE WHEN byte BETWEEN 33 AND 126 THEN chr(byte) ELSE '%' || upper(lpad(to_hex(byte), 2, '0')) END, '' ORDER BY n)
    FROM (SELECT n, get_byte(convert_to(value, 'UTF8'), n) AS byte
        FROM generate_series(0, octet_length(convert_to(value, 'UTF8')) - 1) AS n) AS bytes
$$;

-- Name: publish(name, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.publish(called name, result text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    f pg_proc;
    returned text;
    view CONSTANT text := format('janus.%I', called || '_request');
    fired CONSTANT text := format('janus_private.%I', called || '_requested');
    names text[];
    columns text;
    given text;
    insertion text;
BEGIN
    SELECT * INTO STRICT f FROM pg_proc p WHERE p.proname = called AND p.pronamespace = 'janus_private'::regnamespace;
    returned := format_type(f.prorettype, NULL);
    SELECT coalesce(array_agg(quote_ident(a.name) ORDER BY a.n), '{}'),
        coalesce(string_agg(format('NULL::%s AS %I, ', format_type(a.type, NULL), a.name), '' ORDER BY a.n), ''),
        coalesce(string_agg(format(', NEW.%I', a.name), '' ORDER BY a.n), '')
    INTO names, columns, given
    FROM unnest(f.proargnames, f.proargtypes::oid[]) WITH ORDINALITY AS a (name, type, n) WHERE a.n > 1;
    insertion := CASE WHEN names = '{}' THEN 'DEFAULT VALUES' ELSE format('(%s) VALUES (%s)', array_to_string(names, ', '),
        (SELECT string_agg('$' || n, ', ' ORDER BY n) FROM generate_series(1, cardinality(names)) AS n)) END;

    EXECUTE format('CREATE VIEW %s AS SELECT %sNULL::%s AS result, NULL::name AS caller WHERE false', view, columns, returned);
    EXECUTE format('ALTER VIEW %s ALTER COLUMN caller SET DEFAULT current_user', view);
    EXECUTE format('COMMENT ON VIEW %s IS %L', view, format('What janus.%s inserts into, and so tells who calls; it has no rows.', called));
    EXECUTE format('CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L',
        fired, format(
            E'\nBEGIN\n    NEW.result := janus_private.%I((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller)%s);\n    RETURN NEW;\nEND ',
            called, given));
    EXECUTE format('CREATE TRIGGER requested INSTEAD OF INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s()', view, fired);
    EXECUTE format('CREATE FUNCTION janus.%I(%s) RETURNS %s LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS %L',
        called, regexp_replace(pg_get_function_arguments(f.oid), '^caller regrole(, )?', ''), coalesce(result, returned),
        format(E'\n#variable_conflict use_column\nDECLARE\n    answer %s;\nBEGIN\n    INSERT INTO %s %s RETURNING result INTO answer;\n    %s\nEND ',
            returned, view, insertion,
            CASE WHEN result LIKE 'SETOF %' THEN 'RETURN QUERY SELECT unnest(answer);' ELSE 'RETURN answer;' END));
    PERFORM janus_private.grant_to(r.kind, g.privilege)
    FROM (VALUES ('client'), ('admin')) AS r (kind), unnest(ARRAY[
        format('INSERT (%s), SELECT (result) ON %s', array_to_string(names || 'result'::text, ', '), view),
        format('EXECUTE ON FUNCTION janus.%I', called)]) AS g (privilege);
END $_$;

-- Name: queue_lines(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.queue_lines() RETURNS TABLE(queue text, model text, waiting bigint, scheduled bigint, running bigint, oldest timestamp with time zone)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
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

-- Name: random_channel(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.random_channel() RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    SELECT 'janus_' || left(encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'), 40)
$$;

-- Name: random_seed(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.random_seed() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    hex text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    RETURN ('x' || left(hex, 12) || right(hex, 4))::bit(64)::bigint & 9223372036854775807;
END $$;

-- Name: redeliver(regrole, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.redeliver(caller regrole, delivery bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: redeliver_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.redeliver_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.redeliver((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.delivery);
    RETURN NEW;
END $$;

-- Name: refresh_lanes(bigint[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.refresh_lanes(ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- The two orders are those of the indexes.
    UPDATE janus_private.lane l SET is_waiting = n.is_waiting, wakes_at = n.wakes_at
    FROM (
        SELECT i.id,
            coalesce((SELECT k.is_waiting FROM janus_private.key_lane k WHERE k.lane = i.id AND k.is_waiting
                ORDER BY k.served_at NULLS FIRST, k.key LIMIT 1), false) AS is_waiting,
            (SELECT k.wakes_at FROM janus_private.key_lane k WHERE k.lane = i.id AND k.wakes_at IS NOT NULL
                ORDER BY k.wakes_at LIMIT 1) AS wakes_at
        FROM (SELECT DISTINCT x.id FROM unnest(ids) AS x (id)) AS i) AS n
    WHERE l.id = n.id AND (l.is_waiting, l.wakes_at) IS DISTINCT FROM (n.is_waiting, n.wakes_at);
END $$;

-- Name: refuse(text, text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.refuse(message text, hint text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = message, HINT = hint;
END $$;

-- Name: refuse_transition(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.refuse_transition() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514',
        MESSAGE = format('job %s cannot go from %s to %s', OLD.id, OLD.state, NEW.state);
END $$;

-- Name: retry(regrole, bigint); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.retry(caller regrole, job bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

-- Name: retry_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.retry_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.retry((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.job);
    RETURN NEW;
END $$;

-- Name: role_to_limit(name); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.role_to_limit(role name) RETURNS regrole
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    known oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
BEGIN
    IF known IS NULL THEN
        PERFORM janus_private.refuse(format('role is %s: there is no such role', coalesce(quote_literal(role), 'NULL')), 'Create it first.');
    END IF;
    RETURN known::regrole;
END $$;

-- Name: rotate_channel(regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.rotate_channel(caller regrole) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM janus_private.channel c WHERE c.owner = caller;
    RETURN janus_private.channel(caller);
END $$;

-- Name: rotate_channel_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.rotate_channel_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.rotate_channel((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller));
    RETURN NEW;
END $$;

-- Name: rotate_webhook_secret(regrole, interval); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.rotate_webhook_secret(caller regrole, keep interval DEFAULT '1 day'::interval) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM janus_private.check_number('keep (in seconds)', extract(epoch FROM keep), 0, 2592000);
    UPDATE janus_private.webhook_secret s SET expires_at = now() + keep WHERE s.owner = caller AND s.expires_at IS NULL;
    RETURN janus_private.webhook_secret(caller);
END $$;

-- Name: rotate_webhook_secret_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.rotate_webhook_secret_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.rotate_webhook_secret((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.keep);
    RETURN NEW;
END $$;

-- Name: seal(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.seal() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    f regprocedure;
    setting text;
BEGIN
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus, janus_private FROM PUBLIC;
    FOR f IN
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace IN ('janus'::regnamespace, 'janus_private'::regnamespace) AND p.prosqlbody IS NULL
            AND (p.prorettype = 'trigger'::regtype OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee <> p.proowner))
    LOOP
        FOREACH setting IN ARRAY ARRAY['standard_conforming_strings = on', 'extra_float_digits = 1', 'datestyle = ''ISO, MDY''',
            'intervalstyle = postgres'] LOOP
            EXECUTE format('ALTER FUNCTION %s SET %s', f, setting);
        END LOOP;
    END LOOP;
END $$;

-- Name: sees(regrole, regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.sees(caller regrole, owner regrole) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    roles CONSTANT oid[] := janus_private.inherited_roles(caller);
BEGIN
    RETURN owner = ANY (roles) OR (SELECT n.role FROM janus_private.role_name n WHERE n.kind = 'admin') = ANY (roles);
END $$;

-- Name: setting_int(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.setting_int(key text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    RETURN janus_private.setting_text(key)::bigint;
END $$;

-- Name: setting_on(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.setting_on(key text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    RETURN janus_private.setting_text(key) = 'on';
END $$;

-- Name: setting_text(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.setting_text(key text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    RETURN (SELECT coalesce(s.value, s.default_value) FROM janus_private.setting s WHERE s.key = setting_text.key);
END $$;

-- Name: tidy_lanes(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.tidy_lanes(OUT removed bigint, OUT is_unfinished boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
DECLARE
    looks_max CONSTANT int := 1000;
    kept CONSTANT interval := '1 hour';
    ours oid[];
    seen record;
BEGIN
    SELECT array_agg(x.lane) AS lanes, array_agg(x.key) AS keys INTO seen FROM (
        SELECT k.lane, k.key FROM janus_private.key_lane k WHERE k.looked_at < now() - kept ORDER BY k.looked_at LIMIT looks_max) AS x;
    IF seen.lanes IS NULL THEN
        removed := 0;
        is_unfinished := false;
        RETURN;
    END IF;
    SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
        SELECT t.owner::oid AS owner FROM janus_private.tenant t
        WHERE t.owner IN (SELECT l.owner FROM janus_private.lane l WHERE l.id = ANY (seen.lanes)) FOR UPDATE SKIP LOCKED) AS x;

    WITH idle AS (
        DELETE FROM janus_private.key_lane k USING unnest(seen.lanes, seen.keys) AS s (lane, key), janus_private.lane l
        WHERE k.lane = s.lane AND k.key = s.key AND l.id = s.lane AND l.owner::oid = ANY (ours)
            AND coalesce(k.served_at, k.looked_at) < now() - kept
            AND NOT EXISTS (SELECT FROM janus_private.job j
                WHERE j.state = 'queued' AND j.model = l.model AND j.queue = l.queue AND j.priority = l.priority
                    AND j.owner = l.owner AND j.concurrency_key = k.key)
        RETURNING k.lane
    )
    SELECT count(*) INTO removed FROM idle;
    UPDATE janus_private.key_lane k SET looked_at = now()
    FROM unnest(seen.lanes, seen.keys) AS s (lane, key), janus_private.lane l
    WHERE k.lane = s.lane AND k.key = s.key AND l.id = s.lane AND l.owner::oid = ANY (ours);
    -- What is being served is in the way of those behind it, until the next time.
    is_unfinished := cardinality(seen.lanes) = looks_max AND ours <> '{}';
    PERFORM janus_private.refresh_lanes(ARRAY(
        SELECT l.id FROM janus_private.lane l WHERE l.id = ANY (seen.lanes) AND l.owner::oid = ANY (ours)));
    DELETE FROM janus_private.lane l
    WHERE l.id = ANY (seen.lanes) AND l.owner::oid = ANY (ours)
        AND NOT EXISTS (SELECT FROM janus_private.key_lane k WHERE k.lane = l.id);
END $$;

-- Name: understand(regrole, text, text[], bytea[], integer, real, real, bigint, text, text[], integer, timestamp with time zone, timestamp with time zone, integer, interval, text, text, text[], text[], text, text, text, text, jsonb); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.understand(caller regrole, prompt text, image_urls text[] DEFAULT '{}'::text[], image_data bytea[] DEFAULT '{}'::bytea[], max_tokens integer DEFAULT 512, temperature real DEFAULT 0, top_p real DEFAULT 1, seed bigint DEFAULT NULL::bigint, system_prompt text DEFAULT NULL::text, stop text[] DEFAULT '{}'::text[], priority integer DEFAULT 5, run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, max_attempts integer DEFAULT 5, run_timeout interval DEFAULT '00:30:00'::interval, idempotency_key text DEFAULT NULL::text, webhook_url text DEFAULT NULL::text, webhook_events text[] DEFAULT '{succeeded,failed,canceled}'::text[], upload_to text[] DEFAULT '{}'::text[], model text DEFAULT NULL::text, queue text DEFAULT 'default'::text, concurrency_key text DEFAULT NULL::text, traceparent text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    pictures CONSTANT int := cardinality(image_urls) + cardinality(image_data);
BEGIN
    PERFORM janus_private.check_answer(image_urls, image_data, max_tokens, temperature, top_p, system_prompt, stop);
    -- A picture alone is a question too.
    IF prompt IS DISTINCT FROM '' OR pictures = 0 THEN
        PERFORM janus_private.check_text('prompt', prompt, janus_private.setting_int('prompt_bytes_max'));
    END IF;
    RETURN janus_private.enqueue(caller, 'understand', janus_private.answer_task(
            jsonb_build_array(jsonb_build_object('role', 'user', 'content', prompt, 'images', pictures)),
            max_tokens, temperature, top_p, system_prompt, stop), seed, image_urls, image_data, 1,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;

-- Name: understand_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.understand_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.understand((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller), NEW.prompt, NEW.image_urls, NEW.image_data, NEW.max_tokens, NEW.temperature, NEW.top_p, NEW.seed, NEW.system_prompt, NEW.stop, NEW.priority, NEW.run_at, NEW.expires_at, NEW.max_attempts, NEW.run_timeout, NEW.idempotency_key, NEW.webhook_url, NEW.webhook_events, NEW.upload_to, NEW.model, NEW.queue, NEW.concurrency_key, NEW.traceparent, NEW.metadata);
    RETURN NEW;
END $$;

-- Name: unpublish(name[]); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.unpublish(VARIADIC called name[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    c name;
BEGIN
    FOREACH c IN ARRAY called LOOP
        EXECUTE format('DROP FUNCTION janus.%I', c);
        EXECUTE format('DROP VIEW janus.%I', c || '_request');
        EXECUTE format('DROP FUNCTION janus_private.%I, janus_private.%I', c || '_requested', c);
    END LOOP;
END $$;

-- Name: wake(text); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.wake(channel text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    IF janus_private.setting_on('notify') AND current_setting('janus.notify', true) IS DISTINCT FROM 'off'
        AND pg_notification_queue_usage() < 0.9 THEN
        PERFORM pg_notify(channel, '');
    END IF;
END $$;

-- Name: webhook_secret(regrole); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.webhook_secret(caller regrole) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN 'whsec_' || encode(janus_private.ensure_webhook_secret(caller), 'base64');
END $$;

-- Name: webhook_secret_requested(); Type: FUNCTION; Schema: janus_private; Owner: -

CREATE FUNCTION janus_private.webhook_secret_requested() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    SET extra_float_digits TO '1'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    AS $$
BEGIN
    NEW.result := janus_private.webhook_secret((SELECT r.oid::regrole FROM pg_roles r WHERE r.rolname = NEW.caller));
    RETURN NEW;
END $$;

-- Name: attempt; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.attempt (
    job bigint NOT NULL,
    run_lease bigint NOT NULL,
    attempt integer NOT NULL,
    generation integer NOT NULL,
    claim_token uuid NOT NULL,
    daemon uuid NOT NULL,
    host text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    state text,
    error jsonb,
    uploads text[] DEFAULT '{}'::text[] NOT NULL,
    files text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT attempt_ended CHECK ((((ended_at IS NULL) = (outcome IS NULL)) AND ((outcome IS NULL) = (state IS NULL)))),
    CONSTRAINT attempt_outcome_check CHECK ((outcome = ANY (ARRAY['succeeded'::text, 'failed'::text, 'canceled'::text, 'released'::text, 'lease_expired'::text]))),
    CONSTRAINT attempt_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text])))
);

COMMENT ON TABLE janus_private.attempt IS 'Every claim that ever was.';

COMMENT ON COLUMN janus_private.attempt.claim_token IS 'Stays: a daemon whose acknowledgement was lost reads back by it.';

COMMENT ON COLUMN janus_private.attempt.state IS 'The job''s state from then on.';

COMMENT ON COLUMN janus_private.attempt.uploads IS 'Objects that it was about to put to collections, written before: what a host that died may have left.';

COMMENT ON COLUMN janus_private.attempt.files IS 'The same in file:/// sinks; its host removes them where the attempt did not succeed.';

-- Name: attempts; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.attempts WITH (security_barrier='true') AS
 SELECT a.job,
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
    pg_get_userbyid((j.owner)::oid) AS owner,
        CASE
            WHEN (a.outcome <> 'succeeded'::text) THEN (a.uploads || a.files)
            ELSE '{}'::text[]
        END AS orphans
   FROM (janus_private.attempt a
     JOIN janus_private.job j ON ((j.id = a.job)))
  WHERE (((j.owner)::oid = ANY (( SELECT r.roles
           FROM janus_private.reader r)::oid[])) OR ( SELECT r.is_admin
           FROM janus_private.reader r));

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

-- Name: batch_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.batch_request AS
 SELECT NULL::text[] AS prompts,
    NULL::integer AS images,
    NULL::bigint AS seed,
    NULL::real AS cfg_weight,
    NULL::real AS temperature,
    NULL::integer AS top_k,
    NULL::text AS format,
    NULL::integer AS priority,
    NULL::timestamp with time zone AS run_at,
    NULL::timestamp with time zone AS expires_at,
    NULL::integer AS max_attempts,
    NULL::interval AS run_timeout,
    NULL::text AS idempotency_key,
    NULL::text AS webhook_url,
    NULL::text[] AS webhook_events,
    NULL::text[] AS upload_to,
    NULL::text AS model,
    NULL::text AS queue,
    NULL::text AS concurrency_key,
    NULL::text AS traceparent,
    NULL::jsonb AS metadata,
    NULL::bigint[] AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.batch_request IS 'What janus.batch inserts into, and so tells who calls; it has no rows.';

-- Name: cancel_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.cancel_request AS
 SELECT NULL::bigint AS job,
    NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.cancel_request IS 'What janus.cancel inserts into, and so tells who calls; it has no rows.';

-- Name: channel_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.channel_request AS
 SELECT NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.channel_request IS 'What janus.channel inserts into, and so tells who calls; it has no rows.';

-- Name: chat_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.chat_request AS
 SELECT NULL::jsonb AS messages,
    NULL::text[] AS image_urls,
    NULL::bytea[] AS image_data,
    NULL::integer AS max_tokens,
    NULL::real AS temperature,
    NULL::real AS top_p,
    NULL::bigint AS seed,
    NULL::text AS system_prompt,
    NULL::text[] AS stop,
    NULL::integer AS priority,
    NULL::timestamp with time zone AS run_at,
    NULL::timestamp with time zone AS expires_at,
    NULL::integer AS max_attempts,
    NULL::interval AS run_timeout,
    NULL::text AS idempotency_key,
    NULL::text AS webhook_url,
    NULL::text[] AS webhook_events,
    NULL::text[] AS upload_to,
    NULL::text AS model,
    NULL::text AS queue,
    NULL::text AS concurrency_key,
    NULL::text AS traceparent,
    NULL::jsonb AS metadata,
    NULL::bigint AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.chat_request IS 'What janus.chat inserts into, and so tells who calls; it has no rows.';

-- Name: generate_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.generate_request AS
 SELECT NULL::text AS prompt,
    NULL::integer AS images,
    NULL::bigint AS seed,
    NULL::real AS cfg_weight,
    NULL::real AS temperature,
    NULL::integer AS top_k,
    NULL::text AS format,
    NULL::integer AS priority,
    NULL::timestamp with time zone AS run_at,
    NULL::timestamp with time zone AS expires_at,
    NULL::integer AS max_attempts,
    NULL::interval AS run_timeout,
    NULL::text AS idempotency_key,
    NULL::text AS webhook_url,
    NULL::text[] AS webhook_events,
    NULL::text[] AS upload_to,
    NULL::text AS model,
    NULL::text AS queue,
    NULL::text AS concurrency_key,
    NULL::text AS traceparent,
    NULL::jsonb AS metadata,
    NULL::bigint AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.generate_request IS 'What janus.generate inserts into, and so tells who calls; it has no rows.';

-- Name: job_keys; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.job_keys WITH (security_barrier='true') AS
 SELECT j.id,
    j.owner AS role,
    j.state
   FROM janus_private.job j
  WHERE (( SELECT r.is_admin
           FROM janus_private.reader r) OR ((j.owner)::oid = ANY (( SELECT r.roles
           FROM janus_private.reader r)::oid[])))
  ORDER BY j.state DESC, j.id DESC;

COMMENT ON VIEW janus.job_keys IS 'What janus.list and janus.counts pick from: ids, owners and states alone.';

COMMENT ON COLUMN janus.job_keys.id IS 'As in janus.jobs.';

COMMENT ON COLUMN janus.job_keys.role IS 'The owner.';

COMMENT ON COLUMN janus.job_keys.state IS 'As in janus.jobs.';

-- Name: outputs; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.outputs WITH (security_barrier='true') AS
 SELECT o.job,
    o.index,
    o.media_type,
    o.data,
    o.urls
   FROM (janus_private.output o
     JOIN janus_private.job j ON ((j.id = o.job)))
  WHERE (((j.owner)::oid = ANY (( SELECT r.roles
           FROM janus_private.reader r)::oid[])) OR ( SELECT r.is_admin
           FROM janus_private.reader r));

COMMENT ON VIEW janus.outputs IS 'Outputs of your jobs with their bytes, where they are kept in the database; janus.output gives one.';

COMMENT ON COLUMN janus.outputs.job IS 'The job''s id.';

COMMENT ON COLUMN janus.outputs.index IS 'Which output, counted from 0.';

COMMENT ON COLUMN janus.outputs.media_type IS 'As in janus.jobs.outputs.';

COMMENT ON COLUMN janus.outputs.data IS 'The bytes; NULL where upload_to lacks db:.';

COMMENT ON COLUMN janus.outputs.urls IS 'Where it was uploaded to, without query strings.';

-- Name: paused_queue; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.paused_queue (
    queue text NOT NULL
);

COMMENT ON TABLE janus_private.paused_queue IS 'Queues of which no more jobs are started.';

-- Name: queue_depth; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.queue_depth AS
 SELECT l.queue,
    l.model,
    l.waiting,
    l.scheduled,
    l.running,
    (GREATEST(COALESCE(EXTRACT(epoch FROM (now() - l.oldest)), (0)::numeric), (0)::numeric))::double precision AS oldest_waiting_seconds,
    (EXISTS ( SELECT
           FROM janus_private.paused_queue p
          WHERE (p.queue = l.queue))) AS paused
   FROM janus_private.queue_lines() l(queue, model, waiting, scheduled, running, oldest);

COMMENT ON VIEW janus.queue_depth IS 'Jobs waiting and running by queue and model: for monitoring and autoscaling.';

COMMENT ON COLUMN janus.queue_depth.queue IS 'Name of the queue.';

COMMENT ON COLUMN janus.queue_depth.model IS 'Name of the model; NULL as in janus.jobs.';

COMMENT ON COLUMN janus.queue_depth.waiting IS 'Queued and due, counted up to 10000.';

COMMENT ON COLUMN janus.queue_depth.scheduled IS 'Queued and due later, counted up to 10000.';

COMMENT ON COLUMN janus.queue_depth.running IS 'Running now.';

COMMENT ON COLUMN janus.queue_depth.oldest_waiting_seconds IS 'How long the oldest due job has been due; 0 where none waits.';

COMMENT ON COLUMN janus.queue_depth.paused IS 'Whether janus.pause stops this queue.';

-- Name: redeliver_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.redeliver_request AS
 SELECT NULL::bigint AS delivery,
    NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.redeliver_request IS 'What janus.redeliver inserts into, and so tells who calls; it has no rows.';

-- Name: retry_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.retry_request AS
 SELECT NULL::bigint AS job,
    NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.retry_request IS 'What janus.retry inserts into, and so tells who calls; it has no rows.';

-- Name: rotate_channel_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.rotate_channel_request AS
 SELECT NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.rotate_channel_request IS 'What janus.rotate_channel inserts into, and so tells who calls; it has no rows.';

-- Name: rotate_webhook_secret_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.rotate_webhook_secret_request AS
 SELECT NULL::interval AS keep,
    NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.rotate_webhook_secret_request IS 'What janus.rotate_webhook_secret inserts into, and so tells who calls; it has no rows.';

-- Name: setting; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.setting (
    key text NOT NULL,
    value text,
    default_value text,
    type text NOT NULL,
    unit text,
    "least" bigint,
    most bigint,
    description text NOT NULL,
    CONSTRAINT setting_type_check CHECK ((type = ANY (ARRAY['integer'::text, 'boolean'::text, 'text'::text])))
);

COMMENT ON TABLE janus_private.setting IS 'Limits and switches, changed by janus.configure(key, value).';

COMMENT ON COLUMN janus_private.setting.value IS 'NULL takes the default.';

COMMENT ON COLUMN janus_private.setting."least" IS 'Bounds of an integer''s value.';

-- Name: settings; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.settings AS
 SELECT s.key,
    COALESCE(s.value, s.default_value) AS value,
    s.default_value,
    s.unit,
    s.description
   FROM janus_private.setting s;

COMMENT ON VIEW janus.settings IS 'Limits and switches; an administrator changes them by janus.configure(key, value).';

COMMENT ON COLUMN janus.settings.key IS 'What janus.configure takes.';

COMMENT ON COLUMN janus.settings.value IS 'What holds now.';

COMMENT ON COLUMN janus.settings.default_value IS 'What holds where nobody has set it.';

COMMENT ON COLUMN janus.settings.unit IS 'Of numbers.';

COMMENT ON COLUMN janus.settings.description IS 'What it does.';

-- Name: understand_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.understand_request AS
 SELECT NULL::text AS prompt,
    NULL::text[] AS image_urls,
    NULL::bytea[] AS image_data,
    NULL::integer AS max_tokens,
    NULL::real AS temperature,
    NULL::real AS top_p,
    NULL::bigint AS seed,
    NULL::text AS system_prompt,
    NULL::text[] AS stop,
    NULL::integer AS priority,
    NULL::timestamp with time zone AS run_at,
    NULL::timestamp with time zone AS expires_at,
    NULL::integer AS max_attempts,
    NULL::interval AS run_timeout,
    NULL::text AS idempotency_key,
    NULL::text AS webhook_url,
    NULL::text[] AS webhook_events,
    NULL::text[] AS upload_to,
    NULL::text AS model,
    NULL::text AS queue,
    NULL::text AS concurrency_key,
    NULL::text AS traceparent,
    NULL::jsonb AS metadata,
    NULL::bigint AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.understand_request IS 'What janus.understand inserts into, and so tells who calls; it has no rows.';

-- Name: visible_roles; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.visible_roles WITH (security_barrier='true') AS
 SELECT (v.role)::regrole AS role,
    r.is_admin
   FROM (janus_private.reader r
     CROSS JOIN LATERAL unnest(r.roles) v(role));

COMMENT ON VIEW janus.visible_roles IS 'Whose jobs you see: your role, and those whose rights it inherits.';

COMMENT ON COLUMN janus.visible_roles.role IS 'The role.';

COMMENT ON COLUMN janus.visible_roles.is_admin IS 'Whether you see everybody''s, as an administrator.';

-- Name: webhook_delivery; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.webhook_delivery (
    id bigint NOT NULL,
    job bigint NOT NULL,
    owner regrole NOT NULL,
    generation integer NOT NULL,
    message_id text NOT NULL,
    type text NOT NULL,
    url text NOT NULL,
    body text NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    last_status integer,
    last_error text,
    CONSTRAINT webhook_delivery_finished CHECK (((state = 'pending'::text) = (finished_at IS NULL))),
    CONSTRAINT webhook_delivery_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'abandoned'::text])))
);

COMMENT ON TABLE janus_private.webhook_delivery IS 'The outbox: written with the state change that it tells of, delivered later.';

COMMENT ON COLUMN janus_private.webhook_delivery.body IS 'As of the event; sent and signed byte for byte.';

-- Name: webhook_deliveries; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.webhook_deliveries WITH (security_barrier='true') AS
 SELECT d.id,
    d.job,
    d.type,
    d.state,
    d.attempts,
    d.last_status,
    d.last_error,
        CASE
            WHEN (d.state = 'pending'::text) THEN d.next_attempt_at
            ELSE NULL::timestamp with time zone
        END AS next_attempt_at,
    d.created_at,
    d.finished_at,
    split_part(d.url, '?'::text, 1) AS url,
    d.message_id,
    (d.body)::jsonb AS body,
    pg_get_userbyid((d.owner)::oid) AS owner
   FROM janus_private.webhook_delivery d
  WHERE (((d.owner)::oid = ANY (( SELECT r.roles
           FROM janus_private.reader r)::oid[])) OR ( SELECT r.is_admin
           FROM janus_private.reader r));

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

-- Name: webhook_secret_request; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.webhook_secret_request AS
 SELECT NULL::text AS result,
    NULL::name AS caller
  WHERE false;

COMMENT ON VIEW janus.webhook_secret_request IS 'What janus.webhook_secret inserts into, and so tells who calls; it has no rows.';

-- Name: workers; Type: VIEW; Schema: janus; Owner: -

CREATE VIEW janus.workers AS
 SELECT d.host,
    d.instance,
    d.version,
    d.models,
    d.queues,
    (d.seen_at > (now() - make_interval(secs => d.lease_seconds))) AS alive,
    ( SELECT count(*) AS count
           FROM janus_private.run r
          WHERE (r.daemon = d.instance)) AS running,
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

-- Name: arrival; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.arrival (
    id bigint NOT NULL,
    model text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    owner regrole NOT NULL,
    key text NOT NULL,
    due_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE janus_private.arrival IS 'Jobs became queued in this lane, the first of them due then: written with them, taken to the lane by a claim.';

-- Name: arrival_id_seq; Type: SEQUENCE; Schema: janus_private; Owner: -

ALTER TABLE janus_private.arrival ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME janus_private.arrival_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: channel; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.channel (
    owner regrole NOT NULL,
    name text NOT NULL
);

COMMENT ON TABLE janus_private.channel IS 'Where owners hear of the ends of their jobs: anybody may LISTEN, so its name is a secret of the owner''s.';

-- Name: chore; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.chore (
    name text NOT NULL
);

COMMENT ON TABLE janus_private.chore IS 'Chores that one daemon does at a time, which holds the row. Only daemons may lock it.';

-- Name: home; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.home (
    is_one boolean DEFAULT true NOT NULL,
    system_identifier bigint NOT NULL,
    database name NOT NULL,
    CONSTRAINT home_is_one_check CHECK (is_one)
);

COMMENT ON TABLE janus_private.home IS 'The cluster and database that daemons serve: a copy elsewhere is served only after `janusd adopt`.';

-- Name: input_image; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.input_image (
    job bigint NOT NULL,
    index integer NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY janus_private.input_image ALTER COLUMN data SET STORAGE EXTERNAL;

COMMENT ON TABLE janus_private.input_image IS 'Pictures that came with the call.';

-- Name: job_id_seq; Type: SEQUENCE; Schema: janus_private; Owner: -

ALTER TABLE janus_private.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME janus_private.job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: key_lane; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.key_lane (
    lane bigint NOT NULL,
    key text NOT NULL,
    is_waiting boolean NOT NULL,
    served_at timestamp with time zone,
    wakes_at timestamp with time zone,
    looked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT key_lane_sleeps CHECK (((NOT is_waiting) OR (wakes_at IS NULL)))
);

COMMENT ON TABLE janus_private.key_lane IS 'The jobs of a lane that have one concurrency key, or none.';

COMMENT ON COLUMN janus_private.key_lane.wakes_at IS 'All of its jobs are due later: it waits again then.';

COMMENT ON COLUMN janus_private.key_lane.looked_at IS 'When tidying last passed it.';

-- Name: key_limit; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.key_limit (
    owner regrole NOT NULL,
    key text NOT NULL,
    running_max integer,
    queued_max integer,
    CONSTRAINT key_limit_queued_max_check CHECK ((queued_max >= 0)),
    CONSTRAINT key_limit_running_max_check CHECK ((running_max >= 1))
);

COMMENT ON TABLE janus_private.key_limit IS 'Limits of single keys; NULL takes what their owner has for its keys.';

-- Name: lane; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.lane (
    id bigint NOT NULL,
    model text NOT NULL,
    queue text NOT NULL,
    priority smallint NOT NULL,
    owner regrole NOT NULL,
    is_waiting boolean NOT NULL,
    wakes_at timestamp with time zone,
    served_at timestamp with time zone
);

COMMENT ON TABLE janus_private.lane IS 'The line of an owner for a model, queue and priority.';

COMMENT ON COLUMN janus_private.lane.is_waiting IS 'Whether one of its key lanes is: false only where none can have a due job before wakes_at.';

COMMENT ON COLUMN janus_private.lane.wakes_at IS 'The earliest of its key lanes''.';

COMMENT ON COLUMN janus_private.lane.served_at IS 'When it last had its turn; NULL: never.';

-- Name: lane_id_seq; Type: SEQUENCE; Schema: janus_private; Owner: -

ALTER TABLE janus_private.lane ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME janus_private.lane_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: model; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.model (
    name text NOT NULL
);

COMMENT ON TABLE janus_private.model IS 'Every model that a daemon ever served; what enqueueing takes for a known name.';

-- Name: owner_limit; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.owner_limit (
    owner regrole NOT NULL,
    running_max integer,
    queued_max integer,
    key_running_max integer,
    key_queued_max integer,
    CONSTRAINT owner_limit_key_queued_max_check CHECK ((key_queued_max >= 0)),
    CONSTRAINT owner_limit_key_running_max_check CHECK ((key_running_max >= 1)),
    CONSTRAINT owner_limit_queued_max_check CHECK ((queued_max >= 0)),
    CONSTRAINT owner_limit_running_max_check CHECK ((running_max >= 1))
);

COMMENT ON TABLE janus_private.owner_limit IS 'Limits of owners; NULL takes the default of the settings.';

COMMENT ON COLUMN janus_private.owner_limit.key_running_max IS 'Of each of its keys that has no limit of its own.';

-- Name: schema_migration; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by name DEFAULT SESSION_USER NOT NULL
);

-- Name: tenant; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.tenant (
    owner regrole NOT NULL
);

COMMENT ON TABLE janus_private.tenant IS 'Owners that ever had a job in line: a row is there to be locked.';

-- Name: upload_grant; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.upload_grant (
    role regrole NOT NULL,
    prefix text NOT NULL
);

COMMENT ON TABLE janus_private.upload_grant IS 'file:/// sinks are reached with the daemon''s rights: a role may only use those under a prefix granted to it.';

-- Name: webhook_delivery_id_seq; Type: SEQUENCE; Schema: janus_private; Owner: -

ALTER TABLE janus_private.webhook_delivery ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME janus_private.webhook_delivery_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: webhook_secret; Type: TABLE; Schema: janus_private; Owner: -

CREATE TABLE janus_private.webhook_secret (
    id bigint NOT NULL,
    owner regrole NOT NULL,
    secret bytea NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT webhook_secret_secret_check CHECK ((octet_length(secret) = 32))
);

COMMENT ON TABLE janus_private.webhook_secret IS 'What webhooks are signed with, by owner.';

COMMENT ON COLUMN janus_private.webhook_secret.expires_at IS 'Set by rotation; both sign until then.';

-- Name: webhook_secret_id_seq; Type: SEQUENCE; Schema: janus_private; Owner: -

ALTER TABLE janus_private.webhook_secret ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME janus_private.webhook_secret_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

-- Name: batch_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.batch_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: cancel_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.cancel_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: channel_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.channel_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: chat_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.chat_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: generate_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.generate_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: redeliver_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.redeliver_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: retry_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.retry_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: rotate_channel_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.rotate_channel_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: rotate_webhook_secret_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.rotate_webhook_secret_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: understand_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.understand_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: webhook_secret_request caller; Type: DEFAULT; Schema: janus; Owner: -

ALTER TABLE ONLY janus.webhook_secret_request ALTER COLUMN caller SET DEFAULT CURRENT_USER;

-- Name: arrival arrival_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.arrival
    ADD CONSTRAINT arrival_pkey PRIMARY KEY (owner, id);

-- Name: attempt attempt_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (job, run_lease);

-- Name: channel channel_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (owner);

-- Name: chore chore_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.chore
    ADD CONSTRAINT chore_pkey PRIMARY KEY (name);

-- Name: daemon daemon_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.daemon
    ADD CONSTRAINT daemon_pkey PRIMARY KEY (instance);

-- Name: home home_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.home
    ADD CONSTRAINT home_pkey PRIMARY KEY (is_one);

-- Name: input_image input_image_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.input_image
    ADD CONSTRAINT input_image_pkey PRIMARY KEY (job, index);

-- Name: input input_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.input
    ADD CONSTRAINT input_pkey PRIMARY KEY (job);

-- Name: job job_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

-- Name: job job_uuid_key; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.job
    ADD CONSTRAINT job_uuid_key UNIQUE (uuid);

-- Name: key_lane key_lane_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.key_lane
    ADD CONSTRAINT key_lane_pkey PRIMARY KEY (lane, key);

-- Name: key_limit key_limit_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.key_limit
    ADD CONSTRAINT key_limit_pkey PRIMARY KEY (owner, key);

-- Name: lane lane_model_queue_priority_owner_key; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.lane
    ADD CONSTRAINT lane_model_queue_priority_owner_key UNIQUE (model, queue, priority, owner);

-- Name: lane lane_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.lane
    ADD CONSTRAINT lane_pkey PRIMARY KEY (id);

-- Name: model model_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.model
    ADD CONSTRAINT model_pkey PRIMARY KEY (name);

-- Name: output output_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.output
    ADD CONSTRAINT output_pkey PRIMARY KEY (job, index);

-- Name: owner_limit owner_limit_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.owner_limit
    ADD CONSTRAINT owner_limit_pkey PRIMARY KEY (owner);

-- Name: paused_queue paused_queue_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.paused_queue
    ADD CONSTRAINT paused_queue_pkey PRIMARY KEY (queue);

-- Name: role_name role_name_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.role_name
    ADD CONSTRAINT role_name_pkey PRIMARY KEY (kind);

-- Name: run run_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (job);

-- Name: schema_migration schema_migration_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

-- Name: setting setting_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (key);

-- Name: tenant tenant_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (owner);

-- Name: upload_grant upload_grant_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.upload_grant
    ADD CONSTRAINT upload_grant_pkey PRIMARY KEY (role, prefix);

-- Name: webhook_delivery webhook_delivery_job_generation_type_key; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.webhook_delivery
    ADD CONSTRAINT webhook_delivery_job_generation_type_key UNIQUE (job, generation, type);

-- Name: webhook_delivery webhook_delivery_message_id_key; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.webhook_delivery
    ADD CONSTRAINT webhook_delivery_message_id_key UNIQUE (message_id);

-- Name: webhook_delivery webhook_delivery_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.webhook_delivery
    ADD CONSTRAINT webhook_delivery_pkey PRIMARY KEY (id);

-- Name: webhook_secret webhook_secret_pkey; Type: CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.webhook_secret
    ADD CONSTRAINT webhook_secret_pkey PRIMARY KEY (id);

-- Name: attempt_orphaned; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX attempt_orphaned ON janus_private.attempt USING btree (host, ended_at) WHERE ((outcome <> 'succeeded'::text) AND (files <> '{}'::text[]));

-- Name: cancellation_job; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX cancellation_job ON janus_private.cancellation USING btree (job, generation);

-- Name: job_claim; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_claim ON janus_private.job USING btree (model, queue, priority, owner, concurrency_key, due_at, id) WHERE (state = 'queued'::text);

-- Name: job_depth; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_depth ON janus_private.job USING btree (queue, model, due_at) WHERE (state = 'queued'::text);

-- Name: job_expiry; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_expiry ON janus_private.job USING btree (expires_at) WHERE ((state = 'queued'::text) AND (expires_at IS NOT NULL));

-- Name: job_idempotency_key; Type: INDEX; Schema: janus_private; Owner: -

CREATE UNIQUE INDEX job_idempotency_key ON janus_private.job USING btree (owner, idempotency_key) WHERE (idempotency_key IS NOT NULL);

-- Name: job_key; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_key ON janus_private.job USING btree (owner, concurrency_key) WHERE ((state = 'queued'::text) AND (concurrency_key <> ''::text));

-- Name: job_owner; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_owner ON janus_private.job USING btree (owner, state, id);

-- Name: job_retention; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_retention ON janus_private.job USING btree (state, finished_at) WHERE (finished_at IS NOT NULL);

-- Name: job_state; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_state ON janus_private.job USING btree (state, id) INCLUDE (owner);

-- Name: job_without_model; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX job_without_model ON janus_private.job USING btree (id) WHERE ((model IS NULL) AND (state = 'queued'::text));

-- Name: key_lane_asleep; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX key_lane_asleep ON janus_private.key_lane USING btree (lane, wakes_at) WHERE (wakes_at IS NOT NULL);

-- Name: key_lane_tidy; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX key_lane_tidy ON janus_private.key_lane USING btree (looked_at);

-- Name: key_lane_turn; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX key_lane_turn ON janus_private.key_lane USING btree (lane, served_at NULLS FIRST, key) WHERE is_waiting;

-- Name: lane_asleep; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX lane_asleep ON janus_private.lane USING btree (model, queue, wakes_at) WHERE (wakes_at IS NOT NULL);

-- Name: lane_turn; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX lane_turn ON janus_private.lane USING btree (model, queue, priority, served_at NULLS FIRST, id) WHERE is_waiting;

-- Name: run_owner; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX run_owner ON janus_private.run USING btree (owner, concurrency_key);

-- Name: webhook_delivery_due; Type: INDEX; Schema: janus_private; Owner: -

CREATE INDEX webhook_delivery_due ON janus_private.webhook_delivery USING btree (owner, next_attempt_at, id) WHERE (state = 'pending'::text);

-- Name: webhook_secret_current; Type: INDEX; Schema: janus_private; Owner: -

CREATE UNIQUE INDEX webhook_secret_current ON janus_private.webhook_secret USING btree (owner) WHERE (expires_at IS NULL);

-- Name: batch_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.batch_request FOR EACH ROW EXECUTE FUNCTION janus_private.batch_requested();

-- Name: cancel_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.cancel_request FOR EACH ROW EXECUTE FUNCTION janus_private.cancel_requested();

-- Name: channel_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.channel_request FOR EACH ROW EXECUTE FUNCTION janus_private.channel_requested();

-- Name: chat_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.chat_request FOR EACH ROW EXECUTE FUNCTION janus_private.chat_requested();

-- Name: generate_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.generate_request FOR EACH ROW EXECUTE FUNCTION janus_private.generate_requested();

-- Name: redeliver_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.redeliver_request FOR EACH ROW EXECUTE FUNCTION janus_private.redeliver_requested();

-- Name: retry_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.retry_request FOR EACH ROW EXECUTE FUNCTION janus_private.retry_requested();

-- Name: rotate_channel_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.rotate_channel_request FOR EACH ROW EXECUTE FUNCTION janus_private.rotate_channel_requested();

-- Name: rotate_webhook_secret_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.rotate_webhook_secret_request FOR EACH ROW EXECUTE FUNCTION janus_private.rotate_webhook_secret_requested();

-- Name: understand_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.understand_request FOR EACH ROW EXECUTE FUNCTION janus_private.understand_requested();

-- Name: webhook_secret_request requested; Type: TRIGGER; Schema: janus; Owner: -

CREATE TRIGGER requested INSTEAD OF INSERT ON janus.webhook_secret_request FOR EACH ROW EXECUTE FUNCTION janus_private.webhook_secret_requested();

-- Name: job job_arrives; Type: TRIGGER; Schema: janus_private; Owner: -

CREATE TRIGGER job_arrives AFTER INSERT ON janus_private.job REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION janus_private.jobs_arrived();

-- Name: job job_returns; Type: TRIGGER; Schema: janus_private; Owner: -

CREATE TRIGGER job_returns AFTER UPDATE OF state, model, queue, priority, owner, concurrency_key, due_at ON janus_private.job FOR EACH ROW WHEN (((new.state = 'queued'::text) AND (new.model IS NOT NULL) AND ((old.state <> 'queued'::text) OR ((((((old.model IS DISTINCT FROM new.model) OR (old.queue IS DISTINCT FROM new.queue)) OR (old.priority IS DISTINCT FROM new.priority)) OR ((old.owner)::oid IS DISTINCT FROM (new.owner)::oid)) OR (old.concurrency_key IS DISTINCT FROM new.concurrency_key)) OR (old.due_at IS DISTINCT FROM new.due_at))))) EXECUTE FUNCTION janus_private.job_arrived();

-- Name: job job_transition; Type: TRIGGER; Schema: janus_private; Owner: -

CREATE TRIGGER job_transition BEFORE UPDATE OF state ON janus_private.job FOR EACH ROW WHEN (((old.state <> new.state) AND ((((((((((old.state <> 'queued'::text) OR (new.state <> 'running'::text)) AND ((old.state <> 'queued'::text) OR (new.state <> 'canceled'::text))) AND ((old.state <> 'queued'::text) OR (new.state <> 'failed'::text))) AND ((old.state <> 'running'::text) OR (new.state <> 'succeeded'::text))) AND ((old.state <> 'running'::text) OR (new.state <> 'failed'::text))) AND ((old.state <> 'running'::text) OR (new.state <> 'canceled'::text))) AND ((old.state <> 'running'::text) OR (new.state <> 'queued'::text))) AND ((old.state <> 'failed'::text) OR (new.state <> 'queued'::text))) AND ((old.state <> 'canceled'::text) OR (new.state <> 'queued'::text))))) EXECUTE FUNCTION janus_private.refuse_transition();

-- Name: attempt attempt_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.attempt
    ADD CONSTRAINT attempt_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

-- Name: input_image input_image_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.input_image
    ADD CONSTRAINT input_image_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

-- Name: input input_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.input
    ADD CONSTRAINT input_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

-- Name: key_lane key_lane_lane_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.key_lane
    ADD CONSTRAINT key_lane_lane_fkey FOREIGN KEY (lane) REFERENCES janus_private.lane(id) ON DELETE CASCADE;

-- Name: output output_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.output
    ADD CONSTRAINT output_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

-- Name: run run_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.run
    ADD CONSTRAINT run_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

-- Name: webhook_delivery webhook_delivery_job_fkey; Type: FK CONSTRAINT; Schema: janus_private; Owner: -

ALTER TABLE ONLY janus_private.webhook_delivery
    ADD CONSTRAINT webhook_delivery_job_fkey FOREIGN KEY (job) REFERENCES janus_private.job(id) ON DELETE CASCADE;

GRANT USAGE ON SCHEMA janus TO janus_client;
GRANT USAGE ON SCHEMA janus TO janus_daemon;
GRANT USAGE ON SCHEMA janus TO janus_admin;
GRANT USAGE ON SCHEMA janus TO janus_monitor;

GRANT USAGE ON SCHEMA janus_private TO janus_daemon;

REVOKE ALL ON FUNCTION janus.batch(prompts text[], images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.batch(prompts text[], images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_client;
GRANT ALL ON FUNCTION janus.batch(prompts text[], images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_admin;

REVOKE ALL ON FUNCTION janus.cancel(job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.cancel(job bigint) TO janus_client;
GRANT ALL ON FUNCTION janus.cancel(job bigint) TO janus_admin;

REVOKE ALL ON FUNCTION janus.channel() FROM PUBLIC;
GRANT ALL ON FUNCTION janus.channel() TO janus_client;
GRANT ALL ON FUNCTION janus.channel() TO janus_admin;

REVOKE ALL ON FUNCTION janus.chat(messages jsonb, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.chat(messages jsonb, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_client;
GRANT ALL ON FUNCTION janus.chat(messages jsonb, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_admin;

REVOKE ALL ON FUNCTION janus.configure(key text, value text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.configure(key text, value text) TO janus_admin;

REVOKE ALL ON FUNCTION janus.counts() FROM PUBLIC;
GRANT ALL ON FUNCTION janus.counts() TO janus_client;
GRANT ALL ON FUNCTION janus.counts() TO janus_admin;

REVOKE ALL ON FUNCTION janus.generate(prompt text, images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.generate(prompt text, images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_client;
GRANT ALL ON FUNCTION janus.generate(prompt text, images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_admin;

REVOKE ALL ON FUNCTION janus.grant_upload(role name, prefix text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.grant_upload(role name, prefix text) TO janus_admin;

REVOKE ALL ON FUNCTION janus.limit_key(role name, key text, running integer, queued integer) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.limit_key(role name, key text, running integer, queued integer) TO janus_admin;

REVOKE ALL ON FUNCTION janus.limit_owner(role name, running integer, queued integer, key_running integer, key_queued integer) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.limit_owner(role name, running integer, queued integer, key_running integer, key_queued integer) TO janus_admin;

REVOKE ALL ON FUNCTION janus_private.inherited_roles(role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.inherited_roles(role oid) TO janus_client;
GRANT ALL ON FUNCTION janus_private.inherited_roles(role oid) TO janus_admin;
GRANT ALL ON FUNCTION janus_private.inherited_roles(role oid) TO janus_daemon;

GRANT SELECT,DELETE ON TABLE janus_private.cancellation TO janus_daemon;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE janus_private.daemon TO janus_daemon;

GRANT SELECT ON TABLE janus_private.input TO janus_daemon;

GRANT SELECT,DELETE ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(model) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(state) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(due_at) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(started_at) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(finished_at) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(attempts) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(handovers) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(run_lease) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(is_suspect) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(text) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(finish_reason) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(usage) ON TABLE janus_private.job TO janus_daemon;

GRANT UPDATE(error) ON TABLE janus_private.job TO janus_daemon;

GRANT SELECT,INSERT,DELETE ON TABLE janus_private.output TO janus_daemon;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE janus_private.run TO janus_daemon;

GRANT SELECT ON TABLE janus.jobs TO janus_client;
GRANT SELECT ON TABLE janus.jobs TO janus_admin;
GRANT SELECT ON TABLE janus.jobs TO janus_daemon;

REVOKE ALL ON FUNCTION janus.list(state text, before bigint, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.list(state text, before bigint, most integer) TO janus_client;
GRANT ALL ON FUNCTION janus.list(state text, before bigint, most integer) TO janus_admin;

REVOKE ALL ON FUNCTION janus.output(job bigint, index integer) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.output(job bigint, index integer) TO janus_client;
GRANT ALL ON FUNCTION janus.output(job bigint, index integer) TO janus_admin;

REVOKE ALL ON FUNCTION janus.pause(queue text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.pause(queue text) TO janus_admin;

REVOKE ALL ON FUNCTION janus.reassign(old regrole, new regrole) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.reassign(old regrole, new regrole) TO janus_admin;

REVOKE ALL ON FUNCTION janus.redeliver(delivery bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.redeliver(delivery bigint) TO janus_client;
GRANT ALL ON FUNCTION janus.redeliver(delivery bigint) TO janus_admin;

REVOKE ALL ON FUNCTION janus.resume(queue text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.resume(queue text) TO janus_admin;

REVOKE ALL ON FUNCTION janus.retry(job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.retry(job bigint) TO janus_client;
GRANT ALL ON FUNCTION janus.retry(job bigint) TO janus_admin;

REVOKE ALL ON FUNCTION janus.revoke_upload(role name, prefix text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.revoke_upload(role name, prefix text) TO janus_admin;

REVOKE ALL ON FUNCTION janus.rotate_channel() FROM PUBLIC;
GRANT ALL ON FUNCTION janus.rotate_channel() TO janus_client;
GRANT ALL ON FUNCTION janus.rotate_channel() TO janus_admin;

REVOKE ALL ON FUNCTION janus.rotate_webhook_secret(keep interval) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.rotate_webhook_secret(keep interval) TO janus_client;
GRANT ALL ON FUNCTION janus.rotate_webhook_secret(keep interval) TO janus_admin;

GRANT SELECT ON TABLE janus.job_status TO janus_client;
GRANT SELECT ON TABLE janus.job_status TO janus_admin;
GRANT SELECT ON TABLE janus.job_status TO janus_daemon;

REVOKE ALL ON FUNCTION janus.status(job bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.status(job bigint) TO janus_client;
GRANT ALL ON FUNCTION janus.status(job bigint) TO janus_admin;

REVOKE ALL ON FUNCTION janus.understand(prompt text, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION janus.understand(prompt text, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_client;
GRANT ALL ON FUNCTION janus.understand(prompt text, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) TO janus_admin;

REVOKE ALL ON FUNCTION janus.webhook_secret() FROM PUBLIC;
GRANT ALL ON FUNCTION janus.webhook_secret() TO janus_client;
GRANT ALL ON FUNCTION janus.webhook_secret() TO janus_admin;

REVOKE ALL ON FUNCTION janus_private.answer_task(turns jsonb, max_tokens integer, temperature real, top_p real, system_prompt text, stop text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.batch(caller regrole, prompts text[], images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.batch_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.cancel(caller regrole, job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.cancel_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.channel(caller regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.channel_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.chat(caller regrole, messages jsonb, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.chat_messages(messages jsonb, pictures integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.chat_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_answer(image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, system_prompt text, stop text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_array(argument text, value anyarray, most bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_common(c janus_private.common, owner regrole, outputs integer, jobs integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_grant(role name, prefix text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_limit(argument text, value integer, low integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_number(argument text, value numeric, low numeric, high numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_queued(owner regrole, key text, more integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_sink(argument text, value text, owner regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_text(argument text, value text, most bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.check_url(argument text, value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.claim(model text, queues text[], places integer, excluded text[], daemon uuid, host text, lease_seconds double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.claim(model text, queues text[], places integer, excluded text[], daemon uuid, host text, lease_seconds double precision) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.digest(model text, queues text[], OUT taken bigint, OUT is_contended boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.digest(model text, queues text[], OUT taken bigint, OUT is_contended boolean) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.emit(job_id bigint, event text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.emit(job_id bigint, event text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.enqueue(caller regrole, kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], outputs integer, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.enqueue_all(caller regrole, kind text, tasks jsonb[], seed bigint, image_urls text[], image_data bytea[], outputs integer, c janus_private.common) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.ensure_default_model(model text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.ensure_default_model(model text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.ensure_webhook_secret(holder regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.event_body(job_id bigint, event text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.event_body(job_id bigint, event text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.fingerprint(kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], c janus_private.common) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.generate(caller regrole, prompt text, images integer, seed bigint, cfg_weight real, temperature real, top_k integer, format text, priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.generate_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.generate_task(images integer, cfg_weight real, temperature real, top_k integer, format text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.grant_to(kind text, privilege text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.is_cancel_requested(job_id bigint, generation integer) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.is_cancel_requested(job_id bigint, generation integer) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.is_ipv6(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.job_arrived() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.job_of(caller regrole, job_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.jobs_arrived() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.lock_in(job_id bigint, states text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.percent_encoded(value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.publish(called name, result text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.queue_lines() FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.queue_lines() TO janus_monitor;
GRANT ALL ON FUNCTION janus_private.queue_lines() TO janus_admin;
GRANT ALL ON FUNCTION janus_private.queue_lines() TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.random_channel() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.random_seed() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.redeliver(caller regrole, delivery bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.redeliver_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.refresh_lanes(ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.refuse(message text, hint text) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.refuse_transition() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.retry(caller regrole, job bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.retry_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.role_to_limit(role name) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.rotate_channel(caller regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.rotate_channel_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.rotate_webhook_secret(caller regrole, keep interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.rotate_webhook_secret_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.seal() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.sees(caller regrole, owner regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.setting_int(key text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.setting_int(key text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.setting_on(key text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.setting_on(key text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.setting_text(key text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.setting_text(key text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.tidy_lanes(OUT removed bigint, OUT is_unfinished boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.tidy_lanes(OUT removed bigint, OUT is_unfinished boolean) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.understand(caller regrole, prompt text, image_urls text[], image_data bytea[], max_tokens integer, temperature real, top_p real, seed bigint, system_prompt text, stop text[], priority integer, run_at timestamp with time zone, expires_at timestamp with time zone, max_attempts integer, run_timeout interval, idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text, concurrency_key text, traceparent text, metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.understand_requested() FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.unpublish(VARIADIC called name[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.wake(channel text) FROM PUBLIC;
GRANT ALL ON FUNCTION janus_private.wake(channel text) TO janus_daemon;

REVOKE ALL ON FUNCTION janus_private.webhook_secret(caller regrole) FROM PUBLIC;

REVOKE ALL ON FUNCTION janus_private.webhook_secret_requested() FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE janus_private.attempt TO janus_daemon;

GRANT SELECT ON TABLE janus.attempts TO janus_client;
GRANT SELECT ON TABLE janus.attempts TO janus_admin;
GRANT SELECT ON TABLE janus.attempts TO janus_daemon;

GRANT INSERT(prompts) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(prompts) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(images) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(images) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(seed) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(seed) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(cfg_weight) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(cfg_weight) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(temperature) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(temperature) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(top_k) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(top_k) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(format) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(format) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(priority) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(priority) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(run_at) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(run_at) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(expires_at) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(expires_at) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(max_attempts) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(max_attempts) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(run_timeout) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(run_timeout) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(idempotency_key) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(idempotency_key) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(webhook_url) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(webhook_url) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(webhook_events) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(webhook_events) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(upload_to) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(upload_to) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(model) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(model) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(queue) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(queue) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(concurrency_key) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(concurrency_key) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(traceparent) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(traceparent) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(metadata) ON TABLE janus.batch_request TO janus_client;
GRANT INSERT(metadata) ON TABLE janus.batch_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.batch_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.batch_request TO janus_admin;

GRANT INSERT(job) ON TABLE janus.cancel_request TO janus_client;
GRANT INSERT(job) ON TABLE janus.cancel_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.cancel_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.cancel_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.channel_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.channel_request TO janus_admin;

GRANT INSERT(messages) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(messages) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(image_urls) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(image_urls) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(image_data) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(image_data) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(max_tokens) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(max_tokens) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(temperature) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(temperature) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(top_p) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(top_p) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(seed) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(seed) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(system_prompt) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(system_prompt) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(stop) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(stop) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(priority) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(priority) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(run_at) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(run_at) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(expires_at) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(expires_at) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(max_attempts) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(max_attempts) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(run_timeout) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(run_timeout) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(idempotency_key) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(idempotency_key) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(webhook_url) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(webhook_url) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(webhook_events) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(webhook_events) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(upload_to) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(upload_to) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(model) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(model) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(queue) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(queue) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(concurrency_key) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(concurrency_key) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(traceparent) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(traceparent) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(metadata) ON TABLE janus.chat_request TO janus_client;
GRANT INSERT(metadata) ON TABLE janus.chat_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.chat_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.chat_request TO janus_admin;

GRANT INSERT(prompt) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(prompt) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(images) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(images) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(seed) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(seed) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(cfg_weight) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(cfg_weight) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(temperature) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(temperature) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(top_k) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(top_k) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(format) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(format) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(priority) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(priority) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(run_at) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(run_at) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(expires_at) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(expires_at) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(max_attempts) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(max_attempts) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(run_timeout) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(run_timeout) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(idempotency_key) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(idempotency_key) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(webhook_url) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(webhook_url) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(webhook_events) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(webhook_events) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(upload_to) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(upload_to) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(model) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(model) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(queue) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(queue) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(concurrency_key) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(concurrency_key) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(traceparent) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(traceparent) ON TABLE janus.generate_request TO janus_admin;

GRANT INSERT(metadata) ON TABLE janus.generate_request TO janus_client;
GRANT INSERT(metadata) ON TABLE janus.generate_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.generate_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.generate_request TO janus_admin;

GRANT SELECT ON TABLE janus.job_keys TO janus_client;
GRANT SELECT ON TABLE janus.job_keys TO janus_admin;
GRANT SELECT ON TABLE janus.job_keys TO janus_daemon;

GRANT SELECT ON TABLE janus.outputs TO janus_client;
GRANT SELECT ON TABLE janus.outputs TO janus_admin;

GRANT SELECT ON TABLE janus_private.paused_queue TO janus_daemon;

GRANT SELECT ON TABLE janus.queue_depth TO janus_monitor;
GRANT SELECT ON TABLE janus.queue_depth TO janus_admin;
GRANT SELECT ON TABLE janus.queue_depth TO janus_daemon;

GRANT INSERT(delivery) ON TABLE janus.redeliver_request TO janus_client;
GRANT INSERT(delivery) ON TABLE janus.redeliver_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.redeliver_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.redeliver_request TO janus_admin;

GRANT INSERT(job) ON TABLE janus.retry_request TO janus_client;
GRANT INSERT(job) ON TABLE janus.retry_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.retry_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.retry_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.rotate_channel_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.rotate_channel_request TO janus_admin;

GRANT INSERT(keep) ON TABLE janus.rotate_webhook_secret_request TO janus_client;
GRANT INSERT(keep) ON TABLE janus.rotate_webhook_secret_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.rotate_webhook_secret_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.rotate_webhook_secret_request TO janus_admin;

GRANT SELECT ON TABLE janus_private.setting TO janus_daemon;

GRANT SELECT ON TABLE janus.settings TO janus_client;
GRANT SELECT ON TABLE janus.settings TO janus_admin;

GRANT INSERT(prompt) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(prompt) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(image_urls) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(image_urls) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(image_data) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(image_data) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(max_tokens) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(max_tokens) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(temperature) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(temperature) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(top_p) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(top_p) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(seed) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(seed) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(system_prompt) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(system_prompt) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(stop) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(stop) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(priority) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(priority) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(run_at) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(run_at) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(expires_at) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(expires_at) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(max_attempts) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(max_attempts) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(run_timeout) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(run_timeout) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(idempotency_key) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(idempotency_key) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(webhook_url) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(webhook_url) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(webhook_events) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(webhook_events) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(upload_to) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(upload_to) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(model) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(model) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(queue) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(queue) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(concurrency_key) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(concurrency_key) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(traceparent) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(traceparent) ON TABLE janus.understand_request TO janus_admin;

GRANT INSERT(metadata) ON TABLE janus.understand_request TO janus_client;
GRANT INSERT(metadata) ON TABLE janus.understand_request TO janus_admin;

GRANT SELECT(result),INSERT(result) ON TABLE janus.understand_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.understand_request TO janus_admin;

GRANT SELECT ON TABLE janus.visible_roles TO janus_client;
GRANT SELECT ON TABLE janus.visible_roles TO janus_admin;
GRANT SELECT ON TABLE janus.visible_roles TO janus_daemon;

GRANT SELECT,UPDATE ON TABLE janus_private.webhook_delivery TO janus_daemon;

GRANT SELECT ON TABLE janus.webhook_deliveries TO janus_client;
GRANT SELECT ON TABLE janus.webhook_deliveries TO janus_admin;
GRANT SELECT ON TABLE janus.webhook_deliveries TO janus_daemon;

GRANT SELECT(result),INSERT(result) ON TABLE janus.webhook_secret_request TO janus_client;
GRANT SELECT(result),INSERT(result) ON TABLE janus.webhook_secret_request TO janus_admin;

GRANT SELECT ON TABLE janus.workers TO janus_client;
GRANT SELECT ON TABLE janus.workers TO janus_admin;
GRANT SELECT ON TABLE janus.workers TO janus_daemon;

GRANT SELECT,UPDATE ON TABLE janus_private.chore TO janus_daemon;

GRANT SELECT ON TABLE janus_private.home TO janus_daemon;

GRANT SELECT ON TABLE janus_private.input_image TO janus_daemon;

GRANT SELECT,INSERT ON TABLE janus_private.model TO janus_daemon;

GRANT SELECT ON TABLE janus_private.schema_migration TO janus_daemon;

GRANT SELECT,DELETE ON TABLE janus_private.webhook_secret TO janus_daemon;
