-- Makes the roles of janusd. Run once per database by an administrator (a superuser, or a role that may create roles
-- and owns the database); running it again changes nothing:
--
--     psql -d mydb -f Deploy/bootstrap.sql
--     psql -d mydb -v client=app_jobs -v owner=app_owner -f Deploy/bootstrap.sql     -- names of your own
--
-- Variables: client, daemon, admin, monitor, owner; by default janus_client, …, janus_owner.
-- All are groups without login. Give them to your login roles:
--
--     GRANT janus_client TO my_app;               -- enqueues, sees its own jobs
--     GRANT janus_daemon TO janusd;               -- what `janusd serve` connects as
--     GRANT janus_owner TO my_deployer;           -- what `janusd migrate` connects as
--     GRANT janus_admin TO me;                    -- others' jobs, settings, pauses, redelivery
--     GRANT janus_monitor TO grafana, keda;       -- janus.queue_depth only
--
-- Afterwards `janusd migrate up` makes the schemas janus and janus_private, which then belong to the owner role.

\set ON_ERROR_STOP on
\if :{?client}
\else
    \set client janus_client
\endif
\if :{?daemon}
\else
    \set daemon janus_daemon
\endif
\if :{?admin}
\else
    \set admin janus_admin
\endif
\if :{?monitor}
\else
    \set monitor janus_monitor
\endif
\if :{?owner}
\else
    \set owner janus_owner
\endif

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(ARRAY[:'client', :'daemon', :'admin', :'monitor', :'owner']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- The migrations make two schemas.
SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), :'owner') \gexec

-- Names of one's own are kept as settings of the database, where `janusd migrate` and any other tool find them.
SELECT format('ALTER DATABASE %I SET %s = %L', current_database(), 'janus.role_' || kind, name)
FROM (VALUES ('client', :'client'), ('daemon', :'daemon'), ('admin', :'admin'), ('monitor', :'monitor'),
    ('owner', :'owner')) AS r (kind, name)
WHERE name <> coalesce(current_setting('janus.role_' || kind, true), 'janus_' || kind) \gexec

COMMIT;
