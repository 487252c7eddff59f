-- Five batches of 10,000 prompts, each a transaction; prints the jobs a second.
SELECT clock_timestamp() AS begun \gset
SELECT count(*) AS made FROM janus.batch(ARRAY(SELECT 'a red fox ' || n FROM generate_series(1, 10000) AS n)) \gset
SELECT count(*) AS made FROM janus.batch(ARRAY(SELECT 'a red fox ' || n FROM generate_series(1, 10000) AS n)) \gset
SELECT count(*) AS made FROM janus.batch(ARRAY(SELECT 'a red fox ' || n FROM generate_series(1, 10000) AS n)) \gset
SELECT count(*) AS made FROM janus.batch(ARRAY(SELECT 'a red fox ' || n FROM generate_series(1, 10000) AS n)) \gset
SELECT count(*) AS made FROM janus.batch(ARRAY(SELECT 'a red fox ' || n FROM generate_series(1, 10000) AS n)) \gset
SELECT 'in_batches_per_second', round(5 * :made / extract(epoch FROM clock_timestamp() - :'begun')), 15000, 'at_least';
