-- Enqueueing, and janus.generate.

-- 63 random bits from a version 4 UUID: its first 48 and last 16 bits are all random.
CREATE FUNCTION janus_private.random_seed() RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('x' || left(hex, 12) || right(hex, 4))::bit(64)::bigint & 9223372036854775807
    FROM replace(gen_random_uuid()::text, '-', '') AS hex
$$;

-- The owner's current secret, made if there is none. 32 bytes hashed out of 366 random bits.
CREATE FUNCTION janus_private.ensure_webhook_secret(holder name) RETURNS bytea
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

CREATE FUNCTION janus_private.check_common(c janus_private.common, owner name, outputs int) RETURNS void
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
        PERFORM janus_private.check_text('idempotency_key', c.idempotency_key, 255);
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
        IF c.upload_to[i] ~ '^https?:' AND split_part(c.upload_to[i], '?', 1) !~ '^https?://[^/]+/(.*/)?$' THEN
            exact := exact + 1;
        END IF;
    END LOOP;
    IF exact NOT IN (0, outputs) THEN
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

-- Where every kind of job ends: `task` is the kind's own arguments, checked, as the daemon takes them, less the seed.
CREATE FUNCTION janus_private.enqueue(kind text, task jsonb, seed bigint, image_urls text[], image_data bytea[], outputs int,
    priority int, run_at timestamptz, expires_at timestamptz, max_attempts int, run_timeout interval,
    idempotency_key text, webhook_url text, webhook_events text[], upload_to text[], model text, queue text,
    concurrency_key text, traceparent text, metadata jsonb) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
-- as ON CONFLICT names a column that is called like an argument
DECLARE
    c CONSTANT janus_private.common := (priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key,
        webhook_url, webhook_events, upload_to, model, queue, concurrency_key, traceparent, metadata);
    caller CONSTANT name := janus_private.caller();
    print bytea;
    earlier record;
    new_id bigint;
BEGIN
    IF seed < 0 THEN
        PERFORM janus_private.refuse(format('seed is %s: it must be between 0 and 9223372036854775807', seed),
            'Leave seed out to draw a random one.');
    END IF;
    PERFORM janus_private.check_common(c, caller, outputs);
    IF c.idempotency_key IS NOT NULL THEN
        print := janus_private.fingerprint(kind, task, seed, image_urls, image_data, c);
    END IF;

    LOOP
        -- Before the times are judged: a repeat may come when they are past.
        IF print IS NOT NULL THEN
            SELECT j.id, j.idempotency_fingerprint INTO earlier FROM janus_private.job j
            WHERE j.owner = caller AND j.idempotency_key = c.idempotency_key;
            IF FOUND THEN
                IF earlier.idempotency_fingerprint <> print THEN
                    RAISE EXCEPTION USING ERRCODE = '22023',
                        MESSAGE = format('idempotency_key %L was used for job %s with other arguments',
                            c.idempotency_key, earlier.id),
                        HINT = 'Repeat the first call exactly, or choose a new key.';
                END IF;
                RETURN earlier.id;
            END IF;
        END IF;
        IF NOT isfinite(c.run_at) THEN
            PERFORM janus_private.refuse(format('run_at is %s: it must be a moment', c.run_at),
                'Leave run_at out to run as soon as possible.');
        ELSIF c.expires_at <= now() OR c.expires_at <= c.run_at OR NOT isfinite(c.expires_at) THEN
            PERFORM janus_private.refuse(format('expires_at is %s: it must be a moment after run_at (%s)', c.expires_at,
                greatest(c.run_at, now())), 'Leave expires_at out for a job that may wait for ever.');
        END IF;

        INSERT INTO janus_private.job (owner, kind, queue, model, priority, run_at, expires_at, max_attempts, run_timeout,
            concurrency_key, traceparent, idempotency_key, idempotency_fingerprint, webhook_url, webhook_events,
            upload_to, metadata)
        VALUES (caller, kind, c.queue, coalesce(c.model, janus_private.setting_text('default_model')), c.priority,
            coalesce(c.run_at, now()), c.expires_at, c.max_attempts, c.run_timeout, c.concurrency_key, c.traceparent,
            c.idempotency_key, print, c.webhook_url, c.webhook_events, c.upload_to, c.metadata)
        ON CONFLICT (owner, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
        RETURNING id INTO new_id;
        -- Nothing inserted: the same key was committed a moment ago, so the look-up finds it now.
        EXIT WHEN new_id IS NOT NULL;
    END LOOP;

    INSERT INTO janus_private.input (job, task, image_urls, inline_images)
    VALUES (new_id, task || jsonb_build_object('seed', coalesce(seed, janus_private.random_seed())::text), image_urls,
        cardinality(image_data));
    INSERT INTO janus_private.input_image (job, index, data)
    SELECT new_id, n - 1, d FROM unnest(image_data) WITH ORDINALITY AS x (d, n);
    IF c.webhook_url IS NOT NULL THEN
        PERFORM janus_private.ensure_webhook_secret(caller);
    END IF;
    IF janus_private.setting_on('notify') AND (c.run_at IS NULL OR c.run_at <= now()) THEN
        -- The same payload counts once a transaction.
        PERFORM pg_notify('janus_queued', '');
    END IF;
    RETURN new_id;
END $$;

CREATE FUNCTION janus.generate(
    prompt text, images int = 1, seed bigint = NULL, cfg_weight real = 5, temperature real = 1, top_k int = 0,
    format text = 'png',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_text('prompt', prompt, janus_private.setting_int('prompt_bytes_max'));
    PERFORM janus_private.check_number('images', images, 1, janus_private.setting_int('images_max'));
    PERFORM janus_private.check_number('cfg_weight', cfg_weight::numeric, 0, 30);
    PERFORM janus_private.check_number('temperature', temperature::numeric, 0, 5);
    PERFORM janus_private.check_number('top_k', top_k, 0, 16384);
    IF format IS NULL OR format NOT IN ('png', 'jpeg', 'webp') THEN
        PERFORM janus_private.refuse(pg_catalog.format('format is %s: it must be png, jpeg or webp',
            coalesce(quote_literal(left(format, 80)), 'NULL')), 'Leave format out to take png.');
    END IF;
    RETURN janus_private.enqueue('generate', jsonb_build_object('prompt', prompt, 'images', images, 'cfg_weight', cfg_weight,
            'temperature', temperature, 'top_k', top_k, 'format', format), seed, '{}', '{}', images,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus, janus_private FROM PUBLIC;
SELECT janus_private.grant_to(kind, 'EXECUTE ON FUNCTION janus.generate')
FROM janus_private.role_name WHERE kind IN ('client', 'admin');
