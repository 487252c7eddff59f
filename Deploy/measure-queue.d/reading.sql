-- What people look at, by the owner of :mine queued jobs, by one of the :owners and by an administrator: how long each look took in
-- the server, the median of nine.
CREATE TEMP TABLE look (name text, reader regrole, call text, most_ms int);
CREATE TEMP TABLE looked (name text, ms double precision);
GRANT ALL ON look, looked TO PUBLIC;
INSERT INTO look
SELECT x.name, r.role::regrole, format(x.call, (SELECT count(*) FROM janus_private.job), (SELECT max(j.id) - :mine + p.place * :mine / 4
    FROM janus_private.job j)), x.most_ms
FROM unnest('{measured_0,measured_7,measured_admin}'::text[]) AS r (role), generate_series(0, 4) AS p (place),
    (VALUES ('status_ms', 'status(%2$s)', 2), ('list_ms', 'list()', 10), ('list_before_ms', 'list(before => %2$s)', 10),
        ('list_by_state_ms', 'list(''queued'')', 10), ('list_by_state_before_ms', 'list(''canceled'', before => %2$s)', 10),
        ('list_of_none_ms', 'list(''failed'')', 10), ('counts_ms', 'counts()', 50)) AS x (name, call, most_ms);
INSERT INTO look VALUES ('queue_depth_ms', 'measured_admin', 'queue_depth', 10);
DO $$
DECLARE
    l record;
    begun timestamptz;
    times double precision[];
BEGIN
    FOR l IN SELECT * FROM look ORDER BY reader LOOP
        EXECUTE format('SET LOCAL ROLE %s', l.reader);
        times := '{}';
        FOR n IN 1 .. 9 LOOP
            begun := clock_timestamp();
            EXECUTE format('SELECT count(x) FROM janus.%s AS x', l.call);
            times := times || 1000 * extract(epoch FROM clock_timestamp() - begun);
        END LOOP;
        INSERT INTO looked SELECT l.name, percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) AS t;
    END LOOP;
END $$;
SELECT l.name, round(max(d.ms)::numeric, 2), min(l.most_ms), 'at_most' FROM look l JOIN looked d USING (name) GROUP BY l.name ORDER BY l.name;
