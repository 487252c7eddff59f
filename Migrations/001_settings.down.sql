-- Schema janus_private itself and its table schema_migration are migrate's own.
DROP TABLE janus_private.setting, janus_private.chore, janus_private.home;
DROP FUNCTION janus_private.seal, janus_private.unpublish, janus_private.publish, janus_private.grant_to;

-- Dropped roles of a later bootstrap must not stumble over privileges on what is gone or stays.
DO $$
DECLARE
    r regrole;
BEGIN
    FOR r IN SELECT role FROM janus_private.role_name LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA janus_private FROM %s', r);
        EXECUTE format('REVOKE ALL ON TABLE janus_private.schema_migration FROM %s', r);
    END LOOP;
END $$;

DROP TABLE janus_private.role_name;
DROP SCHEMA janus;
