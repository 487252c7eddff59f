-- 500 claims of 8, each a transaction, of which 64 jobs run at one moment; prints how long they took in the server.
SET synchronous_commit = off;
CREATE TEMP TABLE claim_time (ms double precision, jobs int, scans bigint, fetched bigint);
CREATE TEMP TABLE held (job bigint, ordinal int GENERATED ALWAYS AS IDENTITY);
DO $$
DECLARE
    begun timestamptz;
    finished timestamptz;
    taken bigint[];
    read_before record;
    read_after record;
BEGIN
    FOR round IN 1 .. 500 LOOP
        SELECT coalesce(s.seq_scan, 0) AS scans, coalesce(s.idx_tup_fetch, 0) AS fetched INTO read_before
        FROM pg_stat_xact_user_tables s WHERE s.schemaname = 'janus_private' AND s.relname = 'job';
        begun := clock_timestamp();
        SELECT array_agg(c.job) INTO taken
        FROM janus_private.claim('tiny', '{default}', 8, '{}', '00000000-0000-0000-0000-000000000001', 'host', 30) AS c WHERE c.job IS NOT NULL;
        finished := clock_timestamp();
        SELECT coalesce(s.seq_scan, 0) AS scans, coalesce(s.idx_tup_fetch, 0) AS fetched INTO read_after
        FROM pg_stat_xact_user_tables s WHERE s.schemaname = 'janus_private' AND s.relname = 'job';
        INSERT INTO claim_time
        VALUES (1000 * extract(epoch FROM finished - begun), coalesce(cardinality(taken), 0), read_after.scans - read_before.scans,
            read_after.fetched - read_before.fetched);
        INSERT INTO held (job) SELECT unnest(taken);
        -- The oldest runs end.
        WITH ended AS (DELETE FROM held h WHERE h.ordinal <= (SELECT max(x.ordinal) - 64 FROM held x) RETURNING h.job),
            released AS (DELETE FROM janus_private.run r USING ended e WHERE r.job = e.job)
        UPDATE janus_private.job j SET state = 'succeeded', finished_at = now(), usage = '{}' FROM ended e WHERE j.id = e.job;
        COMMIT;
    END LOOP;
END $$;
SELECT 'claim_p50_ms', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2), 5, 'at_most' FROM claim_time;
SELECT 'claim_p99_ms', round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 2), 5, 'at_most' FROM claim_time;
SELECT 'claims_without_8_jobs', count(*) FILTER (WHERE jobs <> 8), 0, 'at_most' FROM claim_time;
SELECT 'scans_of_job', sum(scans), 0, 'at_most' FROM claim_time;
SELECT 'rows_of_job_read_by_a_claim_p99', round(percentile_cont(0.99) WITHIN GROUP (ORDER BY fetched)::numeric), 1000, 'at_most' FROM claim_time;
