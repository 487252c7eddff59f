-- Schema janus_private itself and its table schema_migration are migrate's own.
DROP TABLE janus_private.setting;
DROP FUNCTION janus_private.grant_to(text, text);

-- Dropped roles of a later bootstrap must not stumble over privileges on what is gone or stays.
DO $$
DECLARE
    n name;
BEGIN
    FOR n IN SELECT name FROM janus_private.role_name LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA janus_private FROM %I', n);
        EXECUTE format('REVOKE ALL ON TABLE janus_private.schema_migration FROM %I', n);
    END LOOP;
END $$;

DROP TABLE janus_private.role_name;
DROP SCHEMA janus;
