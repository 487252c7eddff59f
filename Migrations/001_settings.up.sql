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
    role regrole NOT NULL
);
COMMENT ON TABLE janus_private.role_name IS 'The four roles of this database: found by its settings janus.role_… when it was migrated, and kept however they are renamed.';

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
        INSERT INTO janus_private.role_name SELECT k, r.oid FROM pg_roles r WHERE r.rolname = n;
    END LOOP;
END $$;

-- grant_to('client', 'SELECT ON janus.jobs'): what the migrations grant with, as names of roles are configurable.
CREATE FUNCTION janus_private.grant_to(kind text, privilege text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT %s TO %s', privilege, (SELECT r.role FROM janus_private.role_name r WHERE r.kind = grant_to.kind));
END $$;

-- Who calls ---------------------------------------------------------------------------------------------------

-- The one way in which a client's call comes to rights that the client lacks. Of janus_private.cancel(caller regrole, job
-- bigint), which holds the work, publish('cancel') makes
--   janus.cancel(job), which runs with its caller's rights and inserts into
--   janus.cancel_request (job, result, caller), a view without rows, whose `caller` is current_user by default, and where
--     nobody may give another; its trigger
--   janus_private.cancel_requested() alone has the owner's rights, and calls the function with that caller.
-- So whoever the server runs the statement as is who calls; not the user of the session, which stays a superuser where
-- autovacuum runs a function that a client has made.
--
-- `result` is the public function's type where it is another one: SETOF the elements of an array.
CREATE FUNCTION janus_private.publish(called name, result text = NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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
END $$;

-- Takes back what publish made of these functions, and the functions: for migrations down.
CREATE FUNCTION janus_private.unpublish(VARIADIC called name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c name;
BEGIN
    FOREACH c IN ARRAY called LOOP
        EXECUTE format('DROP FUNCTION janus.%I', c);
        EXECUTE format('DROP VIEW janus.%I', c || '_request');
        EXECUTE format('DROP FUNCTION janus_private.%I, janus_private.%I', c || '_requested', c);
    END LOOP;
END $$;

-- The last step of every migration: nobody may call what was not granted, and what sessions may call means the same
-- whatever they have set; what these functions call themselves runs within their settings. Functions that are written as
-- statements (BEGIN ATOMIC) were understood when they were made, and may be taken into views.
CREATE FUNCTION janus_private.seal() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
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

-- This database -----------------------------------------------------------------------------------------------

CREATE TABLE janus_private.home (
    is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    system_identifier bigint NOT NULL,
    database name NOT NULL
);
COMMENT ON TABLE janus_private.home IS 'The cluster and database that daemons serve: a copy elsewhere is served only after `janusd adopt`.';
INSERT INTO janus_private.home (system_identifier, database) SELECT c.system_identifier, current_database() FROM pg_control_system() AS c;

CREATE TABLE janus_private.chore (
    name text PRIMARY KEY
);
COMMENT ON TABLE janus_private.chore IS 'Chores that one daemon does at a time, which holds the row. Only daemons may lock it.';
INSERT INTO janus_private.chore (name) VALUES ('pruning');

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
    ('url_bytes_max', '4096', 'integer', 'bytes', 16, 8000, 'Longest URL. Daemons carry 8192 bytes, names of objects behind it included.'),
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

SELECT janus_private.grant_to(kind, 'USAGE ON SCHEMA janus') FROM janus_private.role_name;
SELECT janus_private.grant_to('daemon', 'USAGE ON SCHEMA janus_private');
SELECT janus_private.grant_to('daemon', 'SELECT ON janus_private.schema_migration, janus_private.setting, janus_private.home');
SELECT janus_private.grant_to('daemon', 'SELECT, UPDATE ON janus_private.chore');
SELECT janus_private.seal();
