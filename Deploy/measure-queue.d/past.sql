-- Jobs as a queue has them that is used by many for long: :jobs of :owners owners, most of them ended, and :mine queued ones of one.
SET synchronous_commit = off;
SET client_min_messages = warning;
SELECT format('CREATE ROLE measured_%s', n) FROM generate_series(0, :owners) AS n
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = format('measured_%s', n)) \gexec
GRANT janus_client TO measured_0, measured_7;
CREATE ROLE measured_admin IN ROLE janus_admin;
CREATE TEMP TABLE wanted AS
SELECT format('measured_%s', 1 + n % :owners)::regrole AS owner, CASE WHEN n % 10 = 0 THEN 'queued' ELSE 'canceled' END AS state
FROM generate_series(1, :jobs) AS n
UNION ALL SELECT 'measured_0'::regrole, 'queued' FROM generate_series(1, :mine);
INSERT INTO janus_private.job (owner, kind, queue, model, priority, due_at, max_attempts, run_timeout, webhook_events, upload_to, metadata,
    state, finished_at)
SELECT owner, 'generate', 'default', 'tiny', 5, clock_timestamp(), 5, '1 min', '{}', '{}', '{}', state, CASE WHEN state = 'canceled' THEN now() END
FROM wanted;
INSERT INTO janus_private.input (job, task, image_urls, inline_images)
SELECT id, '{"prompt": "a", "images": 1, "cfg_weight": 5, "temperature": 1, "top_k": 0, "format": "png", "seed": "1"}', '{}', 0
FROM janus_private.job;
VACUUM ANALYZE;
