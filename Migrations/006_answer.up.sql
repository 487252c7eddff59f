-- Questions and conversations: janus.understand and janus.chat.

-- What understand and chat share: everything but the messages.
CREATE FUNCTION janus_private.check_answer(image_urls text[], image_data bytea[], max_tokens int, temperature real,
    top_p real, system_prompt text, stop text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- `turns` are messages of user and assistant, each with its number of pictures.
CREATE FUNCTION janus_private.answer_task(turns jsonb, max_tokens int, temperature real, top_p real, system_prompt text,
    stop text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('messages', turns, 'max_tokens', max_tokens, 'temperature', temperature, 'top_p', top_p,
        'system_prompt', system_prompt, 'stop', stop)
$$;

CREATE FUNCTION janus.understand(
    prompt text, image_urls text[] = '{}', image_data bytea[] = '{}', max_tokens int = 512, temperature real = 0,
    top_p real = 1, seed bigint = NULL, system_prompt text = NULL, stop text[] = '{}',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pictures CONSTANT int := cardinality(image_urls) + cardinality(image_data);
BEGIN
    PERFORM janus_private.check_answer(image_urls, image_data, max_tokens, temperature, top_p, system_prompt, stop);
    -- A picture alone is a question too.
    IF prompt IS DISTINCT FROM '' OR pictures = 0 THEN
        PERFORM janus_private.check_text('prompt', prompt, janus_private.setting_int('prompt_bytes_max'));
    END IF;
    RETURN janus_private.enqueue('understand', janus_private.answer_task(
            jsonb_build_array(jsonb_build_object('role', 'user', 'content', prompt, 'images', pictures)),
            max_tokens, temperature, top_p, system_prompt, stop), seed, image_urls, image_data, 1,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;
COMMENT ON FUNCTION janus.understand IS 'Enqueues a question, with pictures or without; returns the job''s id. See janus.status.';

-- The messages as the daemon takes them: without `system`, each with its number of pictures.
CREATE FUNCTION janus_private.chat_messages(messages jsonb, pictures int) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
END $$;

CREATE FUNCTION janus.chat(
    messages jsonb, image_urls text[] = '{}', image_data bytea[] = '{}', max_tokens int = 512, temperature real = 0,
    top_p real = 1, seed bigint = NULL, system_prompt text = NULL, stop text[] = '{}',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
    RETURN janus_private.enqueue('chat', janus_private.answer_task(turns, max_tokens, temperature, top_p, system_prompt, stop),
        seed, image_urls, image_data, 1,
        priority, run_at, expires_at, max_attempts, run_timeout, idempotency_key, webhook_url, webhook_events, upload_to,
        model, queue, concurrency_key, traceparent, metadata);
END $$;
COMMENT ON FUNCTION janus.chat IS 'Enqueues the next answer of a conversation; returns the job''s id. See janus.status.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus, janus_private FROM PUBLIC;
SELECT janus_private.grant_to(kind, 'EXECUTE ON FUNCTION janus.understand, janus.chat')
FROM janus_private.role_name WHERE kind IN ('client', 'admin');
