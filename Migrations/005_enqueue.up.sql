-- Enqueueing, and janus.generate.

-- 63 random bits from a version 4 UUID: its first 48 and last 16 bits are all random.
CREATE FUNCTION janus_private.random_seed() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hex text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    RETURN ('x' || left(hex, 12) || right(hex, 4))::bit(64)::bigint & 9223372036854775807;
END $$;

-- The owner's current secret, made if there is none. 32 bytes hashed out of 366 random bits.
CREATE FUNCTION janus_private.ensure_webhook_secret(holder regrole) RETURNS bytea
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- The arguments that every kind of job takes, in the order in which its function takes them.
CREATE TYPE janus_private.common AS (
    priority int, run_at timestamptz, expires_at timestamptz, max_attempts int, run_timeout interval,
    idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text,
    concurrency_key text, traceparent text, metadata jsonb);

CREATE FUNCTION janus_private.check_common(c janus_private.common, owner regrole, outputs int, jobs int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
END $$;

-- What two calls with one idempotency key must share: everything given but times, trace context and the query
-- strings of URLs (signatures change). The leading v1 is the version of this rule.
CREATE FUNCTION janus_private.fingerprint(kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[],
    c janus_private.common) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
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

-- Refuses more queued jobs than an owner, or one of its keys, may have. It counts what is committed, up to the limit and
-- without a lock, so calls at one moment may together go beyond it by their own jobs.
CREATE FUNCTION janus_private.check_queued(owner regrole, key text, more int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- Where every kind of job ends, one or many: `tasks` are the kind's own arguments, checked, as the daemon takes them, less
-- the seed. Of many jobs with an idempotency key each has the key and its ordinal.
CREATE FUNCTION janus_private.enqueue_all(caller regrole, kind text, tasks jsonb[], seed bigint, image_urls text[], image_data bytea[],
    outputs int, c janus_private.common) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION janus_private.enqueue(caller regrole, kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], outputs int,
    priority int, run_at timestamptz, expires_at timestamptz, max_attempts int, run_timeout interval,
    idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text,
    concurrency_key text, traceparent text, metadata jsonb) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (janus_private.enqueue_all(caller, kind, ARRAY[task], seed, image_urls, image_data, outputs,
        (priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to, model,
            queue, concurrency_key, traceparent, metadata)))[1];
END $$;

-- What janus.generate and janus.batch share: all but the prompts.
CREATE FUNCTION janus_private.generate_task(images int, cfg_weight real, temperature real, top_k int, format text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION janus_private.generate(
    caller regrole, prompt text, images int = 1, seed bigint = NULL, cfg_weight real = 5, temperature real = 1, top_k int = 0,
    format text = 'png',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_text('prompt', prompt, janus_private.setting_int('prompt_bytes_max'));
    RETURN janus_private.enqueue(caller, 'generate', janus_private.generate_task(images, cfg_weight, temperature, top_k, format)
            || jsonb_build_object('prompt', prompt), seed, '{}', '{}', images,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;

CREATE FUNCTION janus_private.batch(
    caller regrole, prompts text[], images int = 1, seed bigint = NULL, cfg_weight real = 5, temperature real = 1, top_k int = 0,
    format text = 'png',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
END $$;

SELECT janus_private.publish('generate'), janus_private.publish('batch', 'SETOF bigint');
SELECT janus_private.seal();
