-- Queued jobs without the checks of enqueueing: :jobs of :owners owners; in front of them as many of one key whose limit is
-- reached, and as many that expired.
SET synchronous_commit = off;
SELECT format('CREATE ROLE measured_%s', n) FROM generate_series(0, :owners + 1) AS n
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = format('measured_%s', n)) \gexec
CREATE TEMP TABLE wanted AS
SELECT format('measured_%s', 0)::regrole AS owner, 'blocked' AS key, NULL::timestamptz AS expires_at, n FROM generate_series(1, :jobs) AS n
UNION ALL SELECT 'measured_1'::regrole, '', now(), n FROM generate_series(1, :jobs) AS n
UNION ALL SELECT format('measured_%s', 1 + n % :owners)::regrole, '', NULL, n FROM generate_series(1, :jobs) AS n;
INSERT INTO janus_private.job (owner, kind, queue, model, priority, due_at, max_attempts, run_timeout, webhook_events, upload_to, metadata,
    concurrency_key, expires_at)
SELECT owner, 'generate', 'default', 'tiny', 5, clock_timestamp(), 5, '1 min', '{}', '{}', '{}', key, expires_at FROM wanted;
VACUUM ANALYZE janus_private.job;
INSERT INTO janus_private.input (job, task, image_urls, inline_images)
SELECT id, '{"prompt": "a", "images": 1, "cfg_weight": 5, "temperature": 1, "top_k": 0, "format": "png", "seed": "1"}', '{}', 0
FROM janus_private.job;
SELECT janus.limit_key('measured_0', 'blocked', running => 1);
SELECT format('GRANT janus_client TO measured_%s', :owners + 1) \gexec
VACUUM ANALYZE;
