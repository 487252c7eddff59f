-- Schema, names of roles, settings.
--
-- Clients use the functions and views of schema janus; tables lie in janus_private. `janusd migrate` makes schema
-- janus_private and its table schema_migration before it runs this file.

CREATE SCHEMA janus;
COMMENT ON SCHEMA janus IS 'Image understanding and text-to-image jobs: functions to call, views to read.';

-- Roles -------------------------------------------------------------------------------------------------------

-- An administrator makes the roles (Deploy/bootstrap.sql); names other than the defaults are given as settings of
-- the database, ALTER DATABASE … SET janus.role_client = '…'. They are read here once: at run time any session
-- could set such a parameter, so functions trust only this table.
CREATE TABLE janus_private.role_name (
    kind text PRIMARY KEY CHECK (kind IN ('client', 'daemon', 'admin', 'monitor')),
    name name NOT NULL
);
COMMENT ON TABLE janus_private.role_name IS 'How this database calls the four roles; read from its settings janus.role_… when it was migrated.';

DO $$
DECLARE
    k text;
    n text;
BEGIN
    FOREACH k IN ARRAY ARRAY['client', 'daemon', 'admin', 'monitor'] LOOP
        n := coalesce(nullif(current_setting('janus.role_' || k, true), ''), 'janus_' || k);
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = n) THEN
            RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('role %I does not exist', n),
                HINT = 'Let an administrator run Deploy/bootstrap.sql in this database first.';
        END IF;
        INSERT INTO janus_private.role_name VALUES (k, n);
    END LOOP;
END $$;

-- grant_to('client', 'SELECT ON janus.jobs'): what the migrations grant with, as names of roles are configurable.
CREATE FUNCTION janus_private.grant_to(kind text, privilege text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT %s TO %I', privilege, (SELECT r.name FROM janus_private.role_name r WHERE r.kind = grant_to.kind));
END $$;

-- Settings ----------------------------------------------------------------------------------------------------

CREATE TABLE janus_private.setting (
    key text PRIMARY KEY,
    value text,
    default_value text,
    type text NOT NULL CHECK (type IN ('integer', 'boolean', 'text')),
    unit text,
    least bigint,
    most bigint,
    description text NOT NULL
);
COMMENT ON TABLE janus_private.setting IS 'Limits and switches, changed by janus.configure(key, value).';
COMMENT ON COLUMN janus_private.setting.value IS 'NULL takes the default.';
COMMENT ON COLUMN janus_private.setting.least IS 'Bounds of an integer''s value.';

INSERT INTO janus_private.setting (key, default_value, type, unit, least, most, description) VALUES
    ('default_model', NULL, 'text', NULL, NULL, NULL,
        'Model of jobs that name none. The first daemon that registers sets it when nobody has.'),
    ('allow_http', 'off', 'boolean', NULL, NULL, NULL,
        'Accept http:// besides https:// for pictures, uploads and webhooks. Daemons have their own policy besides.'),
    ('notify', 'on', 'boolean', NULL, NULL, NULL,
        'Wake daemons and listening clients by NOTIFY. Off saves its global lock at thousands of jobs a second; polling remains.'),
    ('prompt_bytes_max', '16384', 'integer', 'bytes', 1, 1048576, 'Longest prompt, or message of a chat.'),
    ('system_prompt_bytes_max', '16384', 'integer', 'bytes', 1, 1048576, 'Longest system prompt.'),
    ('messages_max', '64', 'integer', 'messages', 1, 1000, 'Longest chat.'),
    ('images_max', '16', 'integer', 'images', 1, 64, 'Most images of one generate job.'),
    ('input_images_max', '8', 'integer', 'pictures', 1, 64, 'Most pictures of one job, by URL and inline together.'),
    ('input_image_bytes_max', '20971520', 'integer', 'bytes', 1, 268435456, 'Largest inline picture.'),
    ('max_tokens_max', '4096', 'integer', 'tokens', 1, 1048576, 'Longest answer that can be asked for.'),
    ('stop_max', '8', 'integer', 'strings', 0, 64, 'Most stop strings of one job; each has 1 to 256 bytes.'),
    ('url_bytes_max', '4096', 'integer', 'bytes', 16, 65536, 'Longest URL.'),
    ('upload_to_max', '32', 'integer', 'sinks', 1, 256, 'Most entries of upload_to.'),
    ('metadata_bytes_max', '16384', 'integer', 'bytes', 2, 1048576, 'Largest metadata, as text.'),
    ('max_attempts_max', '25', 'integer', 'attempts', 1, 1000, 'Most attempts that a job can ask for.'),
    ('run_timeout_seconds_max', '86400', 'integer', 'seconds', 1, 2592000, 'Longest running time of one attempt.'),
    ('owner_running_max', NULL, 'integer', 'jobs', 1, 1000000,
        'Most jobs of one owner that run at one moment, all daemons together, where janus.limit_owner says nothing else. NULL: any number.'),
    ('owner_queued_max', NULL, 'integer', 'jobs', 0, 1000000, 'Most jobs of one owner that wait, likewise.'),
    ('key_running_max', NULL, 'integer', 'jobs', 1, 1000000,
        'Most jobs with one concurrency_key of an owner that run at one moment, likewise, where janus.limit_key says nothing either.'),
    ('key_queued_max', NULL, 'integer', 'jobs', 0, 1000000, 'Most jobs with one concurrency_key of an owner that wait, likewise.'),
    ('batch_max', '10000', 'integer', 'jobs', 1, 100000, 'Most jobs of one janus.batch.'),
    ('handovers_max', '20', 'integer', 'hand-overs', 1, 10000,
        'Uncharged returns to the queue (drains, crashes of neighbours) after which a job fails.');

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA janus_private FROM PUBLIC;
SELECT janus_private.grant_to(kind, 'USAGE ON SCHEMA janus') FROM janus_private.role_name;
SELECT janus_private.grant_to('daemon', 'USAGE ON SCHEMA janus_private');
SELECT janus_private.grant_to('daemon', 'SELECT ON janus_private.schema_migration, janus_private.setting');
