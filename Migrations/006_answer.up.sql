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

CREATE FUNCTION janus_private.understand(
    caller regrole, prompt text, image_urls text[] = '{}', image_data bytea[] = '{}', max_tokens int = 512, temperature real = 0,
    top_p real = 1, seed bigint = NULL, system_prompt text = NULL, stop text[] = '{}',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

CREATE FUNCTION janus_private.chat(
    caller regrole, messages jsonb, image_urls text[] = '{}', image_data bytea[] = '{}', max_tokens int = 512, temperature real = 0,
    top_p real = 1, seed bigint = NULL, system_prompt text = NULL, stop text[] = '{}',
    priority int = 5, run_at timestamptz = NULL, expires_at timestamptz = NULL, max_attempts int = 5,
    run_timeout interval = '30 min', idempotency_key text = NULL, webhook_url text = NULL,
    webhook_events text[] = '{succeeded,failed,canceled}', upload_to text[] = '{}', model text = NULL,
    queue text = 'default', concurrency_key text = NULL, traceparent text = NULL, metadata jsonb = '{}'
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

SELECT janus_private.publish('understand'), janus_private.publish('chat');

-- The layout of a public function's COMMENT, which Deploy/sql-reference reads: what it does; after an empty line a line
-- for each argument, `name: …`; `Returns: …`; a line for each error, `SQLSTATE: …`. Names that end in _max are settings.
DO $comments$
DECLARE
    answer CONSTANT text := $text$
image_urls: Pictures to fetch when the job begins, before those of image_data; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes each. Both together have at most input_images_max.
image_data: Pictures themselves, PNG, JPEG or WebP, 1 to input_image_bytes_max bytes each.
max_tokens: The answer ends after so many tokens at the latest; 1 to max_tokens_max.
temperature: The logits are divided by it, 0 to 5; 0 takes the most likely token, which needs no seed.
top_p: Draws from the smallest set of most likely tokens whose probabilities reach it; 0.0001 to 1, which draws from all.
seed: 0 to 9223372036854775807. NULL draws one, which janus.jobs shows; the same seed, model and arguments give the same answer.
system_prompt: What the conversation begins with, 1 to system_prompt_bytes_max bytes. NULL takes the model's own.
stop: The answer ends before the first of these strings; at most stop_max, 1 to 256 bytes each.$text$;
    common CONSTANT text := $text$
priority: 0 (first) to 9 (last).
run_at: Does not start before, and stands in line as if enqueued then; what is past counts as now. NULL: as soon as possible.
expires_at: Fails with code expired if it waits until then, for its first attempt or a later one; later than run_at and now. NULL: may wait for ever.
max_attempts: How often it is tried before it fails, 1 to max_attempts_max. Hand-overs do not count.
run_timeout: Longest running time of one attempt, 1 second to run_timeout_seconds_max.
idempotency_key: 1 to 255 bytes, your role's own. A repeat with the same arguments returns the first job's id, with others it is refused; times, traceparent and query strings of URLs may differ.
webhook_url: Is called (POST) at the events of webhook_events; https:// (http:// where setting allow_http is on), at most url_bytes_max bytes. NULL: no calls.
webhook_events: Any of started, progress, succeeded, failed, canceled, each once; at least one with webhook_url.
upload_to: Sinks, at most upload_to_max, each once; every output goes to all of them before the job succeeds. db: keeps it in the database, as {} does; https://host/path/ is the start of a URL for each output; other https:// URLs take one output each, in order; file:///folder/ needs janus.grant_upload.
model: One that a daemon ever served, 1 to 128 bytes. NULL takes setting default_model.
queue: 1 to 64 letters, digits, _ . -
concurrency_key: 1 to 255 bytes, your role's own: within a priority your jobs of one key take turns with those of the others, and an administrator may limit how many of them run and wait (janus.limit_key). NULL: none.
traceparent: A W3C trace context; kept and shown.
metadata: A JSON object, at most metadata_bytes_max bytes; kept, shown, and sent with webhooks.
Returns: The job's id. The job exists when the transaction commits; roll back, and there was none.
22023: An argument is outside of its limits, or idempotency_key was used with other arguments; the message names argument, value and limit.
53400: Your role, or concurrency_key, has as many queued jobs as an administrator allows.$text$;
BEGIN
    EXECUTE format('COMMENT ON FUNCTION janus.generate IS %L', $text$Enqueues text to images. See janus.status and janus.output.

prompt: What to draw, 1 to prompt_bytes_max bytes, not white space alone.
images: How many pictures of it, 1 to images_max; each is drawn with noise of its own.
seed: 0 to 9223372036854775807. NULL draws one, which janus.jobs shows; the same seed, model and arguments give the same bytes.
cfg_weight: How closely pictures follow the prompt (classifier-free guidance), 0 to 30; 1 is no guidance. 5 suits Janus-Pro, 1.25 janus-nano.
temperature: The logits are divided by it, 0 to 5; 0 takes the most likely token.
top_k: Draws from that many most likely tokens only, 0 to 16384; 0 draws from all.
format: png, jpeg or webp.$text$ || common);
    EXECUTE format('COMMENT ON FUNCTION janus.batch IS %L', $text$Enqueues many texts to images at once, each a job as janus.generate makes it, with all other arguments in common; they are checked once.

prompts: What to draw, at most batch_max texts of 1 to prompt_bytes_max bytes, not white space alone. {} makes no job.
images: How many pictures of each, 1 to images_max.
seed: Of every job, 0 to 9223372036854775807. NULL draws one for each.
cfg_weight: As of janus.generate, 0 to 30.
temperature: As of janus.generate, 0 to 5.
top_k: As of janus.generate, 0 to 16384.
format: png, jpeg or webp.$text$
        || replace(replace(common, 'idempotency_key: 1 to 255 bytes, your role''s own.', 'idempotency_key: 1 to 247 bytes, your role''s own; of two prompts or more each job has this key, a colon and its ordinal from 1.'),
            'Returns: The job''s id. The job exists', 'Returns: The jobs'' ids in the order of prompts. They exist'));
    EXECUTE format('COMMENT ON FUNCTION janus.understand IS %L', $text$Enqueues a question, with pictures or without. See janus.status.

prompt: The question, 1 to prompt_bytes_max bytes, not white space alone; '' beside a picture.$text$ || answer || common);
    EXECUTE format('COMMENT ON FUNCTION janus.chat IS %L', $text$Enqueues the next answer of a conversation. See janus.status.

messages: An array of 1 to messages_max objects {"role": …, "content": …, "images": …}: user and assistant take turns, the user first and last; a message of role system may come before them. content has at most prompt_bytes_max bytes. images is the number of pictures that stand before the content of a user's message; where no message has it, all stand before the first.$text$ || answer || common);
END $comments$;

SELECT janus_private.seal();
