-- Claiming: whose turn it is, and how much of an owner may run and wait.

-- Says of lanes what their key lanes say; whoever calls it holds the tenant rows.
CREATE FUNCTION janus_private.refresh_lanes(ids bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The two orders are those of the indexes.
    UPDATE janus_private.lane l SET is_waiting = n.is_waiting, wakes_at = n.wakes_at
    FROM (
        SELECT i.id,
            coalesce((SELECT k.is_waiting FROM janus_private.key_lane k WHERE k.lane = i.id AND k.is_waiting
                ORDER BY k.served_at NULLS FIRST, k.key LIMIT 1), false) AS is_waiting,
            (SELECT k.wakes_at FROM janus_private.key_lane k WHERE k.lane = i.id AND k.wakes_at IS NOT NULL
                ORDER BY k.wakes_at LIMIT 1) AS wakes_at
        FROM (SELECT DISTINCT x.id FROM unnest(ids) AS x (id)) AS i) AS n
    WHERE l.id = n.id AND (l.is_waiting, l.wakes_at) IS DISTINCT FROM (n.is_waiting, n.wakes_at);
END $$;

-- Takes what arrived to its lanes, and wakes lanes of this model and these queues whose time has come: of every owner some,
-- so that whoever has much of it keeps nobody else waiting. What belongs to an owner whose tenant row somebody holds is left
-- for the next call.
CREATE FUNCTION janus_private.digest(model text, queues text[], OUT taken bigint, OUT is_contended boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    owners_max CONSTANT int := 1000;
    -- All owners together, as far as it goes round: each is allowed a few.
    arrivals_max CONSTANT int := 250;
    few CONSTANT int := 2;
    lanes_max CONSTANT int := 100;
    keys_max CONSTANT int := 4;
    moment timestamptz := clock_timestamp();
    arriving oid[];
    waking bigint[];
    waking_owners oid[];
    owners oid[];
    ours oid[];
    arrived record;
    touched bigint[] := '{}';
BEGIN
    taken := 0;
    is_contended := false;
    WITH RECURSIVE arriving AS (
        (SELECT a.owner::oid AS owner FROM janus_private.arrival a ORDER BY a.owner::oid LIMIT 1)
        UNION ALL
        SELECT (SELECT a.owner::oid FROM janus_private.arrival a WHERE a.owner::oid > p.owner ORDER BY a.owner::oid LIMIT 1)
        FROM arriving p WHERE p.owner IS NOT NULL
    )
    SELECT array_agg(a.owner) INTO arriving FROM (SELECT p.owner FROM arriving p WHERE p.owner IS NOT NULL LIMIT owners_max) AS a;
    SELECT array_agg(l.id), array_agg(l.owner) INTO waking, waking_owners
    FROM unnest(digest.queues) AS q (queue)
    CROSS JOIN LATERAL (
        SELECT x.id, x.owner::oid AS owner FROM janus_private.lane x
        WHERE x.model = digest.model AND x.queue = q.queue AND x.wakes_at <= moment ORDER BY x.wakes_at LIMIT lanes_max) AS l;
    owners := ARRAY(SELECT unnest(arriving) UNION SELECT unnest(waking_owners));
    IF owners = '{}' THEN
        RETURN;
    END IF;

    INSERT INTO janus_private.tenant (owner)
    SELECT o.owner::regrole FROM unnest(arriving) AS o (owner)
    WHERE NOT EXISTS (SELECT FROM janus_private.tenant t WHERE t.owner::oid = o.owner) ORDER BY o.owner
    ON CONFLICT DO NOTHING;
    SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
        SELECT t.owner::oid AS owner FROM janus_private.tenant t WHERE t.owner::oid = ANY (owners) FOR UPDATE SKIP LOCKED) AS x;
    is_contended := cardinality(ours) < cardinality(owners);

    -- Each statement from here on sees what whoever had the lock before committed.
    WITH gone AS (
        DELETE FROM janus_private.arrival a
        USING (
            SELECT x.* FROM unnest(ours) AS o (owner)
            CROSS JOIN LATERAL (
                SELECT y.owner::oid AS owner, y.id FROM janus_private.arrival y WHERE y.owner::oid = o.owner ORDER BY y.owner::oid, y.id
                LIMIT greatest(arrivals_max / greatest(cardinality(ours), 1), few)) AS x) AS g
        WHERE a.owner::oid = g.owner AND a.id = g.id
        RETURNING a.*
    ), by_lane AS (
        SELECT g.model, g.queue, g.priority, g.owner, g.key, min(g.due_at) AS due_at, count(*) AS n FROM gone g
        GROUP BY g.model, g.queue, g.priority, g.owner, g.key
    )
    SELECT array_agg(d.model) AS models, array_agg(d.queue) AS queues, array_agg(d.priority) AS priorities,
        array_agg(d.owner::oid) AS owners, array_agg(d.key) AS keys, array_agg(d.due_at) AS dues, sum(d.n) AS n
    INTO arrived FROM by_lane d;

    IF arrived.n > 0 THEN
        taken := arrived.n;
        -- Later than all of them came.
        moment := clock_timestamp();
        INSERT INTO janus_private.lane (model, queue, priority, owner, is_waiting)
        SELECT DISTINCT a.model, a.queue, a.priority, a.owner::regrole, false
        FROM unnest(arrived.models, arrived.queues, arrived.priorities, arrived.owners) AS a (model, queue, priority, owner)
        WHERE NOT EXISTS (SELECT FROM janus_private.lane l
            WHERE l.model = a.model AND l.queue = a.queue AND l.priority = a.priority AND l.owner::oid = a.owner);

        WITH placed AS (
            INSERT INTO janus_private.key_lane AS k (lane, key, is_waiting, wakes_at)
            SELECT l.id, a.key, a.due_at <= moment, CASE WHEN a.due_at > moment THEN a.due_at END
            FROM unnest(arrived.models, arrived.queues, arrived.priorities, arrived.owners, arrived.keys, arrived.dues)
                AS a (model, queue, priority, owner, key, due_at)
            JOIN janus_private.lane l
                ON l.model = a.model AND l.queue = a.queue AND l.priority = a.priority AND l.owner::oid = a.owner
            WHERE NOT coalesce((SELECT x.is_waiting FROM janus_private.key_lane x WHERE x.lane = l.id AND x.key = a.key), false)
            ON CONFLICT (lane, key) DO UPDATE SET is_waiting = excluded.is_waiting,
                wakes_at = CASE WHEN NOT excluded.is_waiting THEN least(k.wakes_at, excluded.wakes_at) END
            RETURNING k.lane
        )
        SELECT coalesce(array_agg(p.lane), '{}') INTO touched FROM placed p;
    END IF;

    IF waking IS NOT NULL THEN
        WITH due AS (
            SELECT l.id, k.key
            FROM unnest(waking, waking_owners) AS l (id, owner)
            CROSS JOIN LATERAL (
                SELECT x.key FROM janus_private.key_lane x WHERE x.lane = l.id AND x.wakes_at <= moment ORDER BY x.wakes_at LIMIT keys_max) AS k
            WHERE l.owner = ANY (ours)
        ), roused AS (
            UPDATE janus_private.key_lane k SET is_waiting = true, wakes_at = NULL
            FROM due d WHERE k.lane = d.id AND k.key = d.key
            RETURNING k.lane
        )
        SELECT count(*) + taken, touched || coalesce(array_agg(r.lane), '{}') INTO taken, touched FROM roused r;
    END IF;
    PERFORM janus_private.refresh_lanes(touched);
END $$;

-- Claims up to `places` due jobs of a model: the most urgent priority first; in it the owner that runs the fewest jobs, of
-- those the one that was served the longest ago, and one that never was before all; its keys likewise; of a key the job that
-- is due the longest. Owners in `excluded` are left out, and so is whatever has reached its limit.
--
-- One call, and bounded: it reads lanes, as many jobs as it may take and some more, and `run`, which has a row a place.
-- Nothing is waited for. A limited owner is served by whoever holds its tenant row, who counts what runs after it got the
-- lock; so no two daemons exceed a limit. A row without a job says that nothing was found and that not everything was looked
-- at: somebody else was serving an owner, or too many lanes were looked at in vain. The next call goes on where this one ended.
CREATE FUNCTION janus_private.claim(model text, queues text[], places int, excluded text[], daemon uuid, host text,
    lease_seconds double precision)
RETURNS TABLE (job bigint, run_lease bigint, claim_token uuid, uuid uuid, owner text, attempts int, run_timeout double precision,
    webhook_url text, webhook_events json, upload_to json, is_suspect boolean, task jsonb, image_urls json, inline_images int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    rounds_max CONSTANT int := 8;
    -- Looked at beyond what is wanted: jobs that other daemons take meanwhile, lanes that turn out to be empty.
    spare CONSTANT int := 16;
    -- Expired jobs, or jobs that a client has locked, that are passed over in a key lane.
    passed_max CONSTANT int := 32;
    clogged_seconds CONSTANT double precision := 1;
    -- Key lanes that may be looked at in vain; from there on a priority has one round, and a lane two of its keys.
    vain_max CONSTANT int := 32;
    keys_then_max CONSTANT int := 2;
    owner_max CONSTANT bigint := janus_private.setting_int('owner_running_max');
    key_max CONSTANT bigint := janus_private.setting_int('key_running_max');
    open_queues CONSTANT text[] := ARRAY(SELECT q FROM unnest(claim.queues) AS q
        WHERE NOT EXISTS (SELECT FROM janus_private.paused_queue p WHERE p.queue = q));
    -- Of a role that is gone the number is its name.
    left_out CONSTANT oid[] := ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = ANY (claim.excluded)
        UNION ALL SELECT (e.number % 4294967296)::oid FROM (
            SELECT CASE WHEN n ~ '^[0-9]{1,10}$' THEN n::bigint END AS number FROM unnest(claim.excluded) AS n) AS e
        WHERE e.number IS NOT NULL);
    wanted int := claim.places;
    urgency int := -1;
    moment timestamptz;
    busy record;
    plan record;
    tried bigint[];
    ours oid[];
    taken int;
    claimed_lanes bigint[];
    vain int := 0;
    is_unfinished boolean;
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING ERRCODE = '25001',
            MESSAGE = format('claims need transaction isolation read committed: here it is %s', current_setting('transaction_isolation')),
            HINT = format('ALTER ROLE %I SET default_transaction_isolation = ''read committed''', session_user);
    END IF;
    SELECT d.is_contended INTO is_unfinished FROM janus_private.digest(claim.model, open_queues) AS d;
    WHILE wanted > 0 LOOP
        SELECT min(l.priority) INTO urgency
        FROM unnest(open_queues) AS q (queue)
        CROSS JOIN LATERAL (
            SELECT x.priority FROM janus_private.lane x
            WHERE x.is_waiting AND x.model = claim.model AND x.queue = q.queue AND x.priority > urgency
            ORDER BY x.priority LIMIT 1) AS l;
        EXIT WHEN urgency IS NULL;
        tried := '{}';

        FOR round IN 1 .. rounds_max LOOP
            moment := clock_timestamp();
            SELECT coalesce(array_agg(r.owner), '{}') AS owners, coalesce(array_agg(r.running), '{}') AS running
            INTO busy FROM (
                SELECT x.owner::oid AS owner, count(*)::int AS running FROM janus_private.run x GROUP BY x.owner::oid) AS r;

            -- Places are dealt like water: each to whoever has the fewest then. `turn` orders those that have equally many;
            -- the one at turn n gets at most 1/n of all places and one.
            WITH candidate AS MATERIALIZED (
                SELECT l.id, l.queue, l.owner, l.served_at, 0 AS running
                FROM unnest(open_queues) AS q (queue)
                CROSS JOIN LATERAL (
                    SELECT x.id, x.queue, x.owner::oid AS owner, x.served_at FROM janus_private.lane x
                    WHERE x.is_waiting AND x.model = claim.model AND x.queue = q.queue AND x.priority = urgency
                        AND x.owner::oid <> ALL (busy.owners) AND x.owner::oid <> ALL (left_out) AND x.id <> ALL (tried)
                    ORDER BY x.served_at NULLS FIRST, x.id
                    LIMIT wanted + spare) AS l
                UNION ALL
                SELECT l.id, l.queue, b.owner, l.served_at, b.running
                FROM unnest(busy.owners, busy.running) AS b (owner, running)
                CROSS JOIN unnest(open_queues) AS q (queue)
                CROSS JOIN LATERAL (
                    SELECT x.id, x.queue, x.served_at, x.is_waiting FROM janus_private.lane x
                    WHERE x.model = claim.model AND x.queue = q.queue AND x.priority = urgency AND x.owner::oid = b.owner
                    LIMIT 1) AS l  -- with a limit, and is_waiting out of it, the unique index is what there is to look it up
                WHERE l.is_waiting AND l.id <> ALL (tried) AND b.owner <> ALL (left_out)
            ), ranked AS (
                SELECT c.*, coalesce(t.running_max, owner_max) AS most,
                    row_number() OVER (ORDER BY c.running, c.served_at NULLS FIRST, c.id)::int AS turn
                FROM candidate c LEFT JOIN LATERAL (
                    SELECT x.running_max FROM janus_private.owner_limit x WHERE x.owner::oid = c.owner LIMIT 1) AS t ON true
                WHERE c.running < coalesce(t.running_max, owner_max, c.running + 1)
            ), dealt AS (
                SELECT r.id, r.queue, r.owner, r.running, r.most, r.turn
                FROM ranked r CROSS JOIN LATERAL generate_series(1,
                    least(coalesce(r.most - r.running, wanted + spare), (wanted + spare) / r.turn + 1)) AS s (n)
                ORDER BY r.running + s.n, r.turn LIMIT wanted + spare
            ), granted AS MATERIALIZED (
                SELECT d.id, d.queue, d.owner, d.running, d.most, d.turn, count(*)::int AS places FROM dealt d
                GROUP BY d.id, d.queue, d.owner, d.running, d.most, d.turn
            ), key_granted AS MATERIALIZED (
                SELECT g.*, k.key, k.most AS key_most, k.running AS key_running, k.turn AS key_turn, k.places AS key_places
                FROM granted g
                CROSS JOIN LATERAL (
                    SELECT d.key, d.most, d.running, d.turn, count(*)::int AS places
                    FROM (
                        SELECT r.key, r.most, r.running, r.turn
                        FROM (
                            SELECT c.key, c.running, m.most, row_number() OVER (ORDER BY c.running, c.served_at NULLS FIRST, c.key)::int AS turn
                            FROM (
                                (SELECT x.key, x.served_at, 0 AS running FROM janus_private.key_lane x
                                WHERE x.lane = g.id AND x.is_waiting
                                    AND (g.running = 0 OR NOT EXISTS (SELECT FROM janus_private.run r
                                        WHERE r.owner::oid = g.owner AND r.concurrency_key = x.key))
                                ORDER BY x.served_at NULLS FIRST, x.key
                                LIMIT CASE WHEN vain < vain_max THEN g.places ELSE least(g.places, keys_then_max) END)
                                UNION ALL
                                SELECT x.key, x.served_at, b.running
                                FROM (SELECT r.concurrency_key AS key, count(*)::int AS running FROM janus_private.run r
                                    WHERE g.running > 0 AND r.owner::oid = g.owner GROUP BY r.concurrency_key) AS b
                                CROSS JOIN LATERAL (SELECT y.key, y.served_at, y.is_waiting FROM janus_private.key_lane y
                                    WHERE y.lane = g.id AND y.key = b.key LIMIT 1) AS x
                                WHERE x.is_waiting
                            ) AS c
                            CROSS JOIN LATERAL (SELECT CASE WHEN c.key <> '' THEN coalesce(
                                (SELECT l.running_max FROM janus_private.key_limit l WHERE l.owner::oid = g.owner AND l.key = c.key),
                                (SELECT t.key_running_max FROM janus_private.owner_limit t WHERE t.owner::oid = g.owner),
                                key_max) END AS most) AS m
                            WHERE c.running < coalesce(m.most, c.running + 1)
                        ) AS r
                        CROSS JOIN LATERAL generate_series(1,
                            least(coalesce(r.most - r.running, g.places), g.places / r.turn + 1)) AS s (n)
                        ORDER BY r.running + s.n, r.turn LIMIT g.places
                    ) AS d
                    GROUP BY d.key, d.most, d.running, d.turn
                ) AS k
            ), looked AS MATERIALIZED (
                SELECT g.*, j.ids, j.seen
                FROM key_granted g
                CROSS JOIN LATERAL (
                    SELECT (array_agg(w.id ORDER BY w.due_at, w.id))[:g.key_places] AS ids, count(*)::int AS seen
                    FROM (
                        SELECT v.id, v.due_at
                        FROM (
                            SELECT x.id, x.due_at, x.expires_at FROM janus_private.job x
                            WHERE x.state = 'queued' AND x.model = claim.model AND x.queue = g.queue AND x.priority = urgency
                                AND x.owner = g.owner::regrole AND x.concurrency_key = g.key AND x.due_at <= moment
                            ORDER BY x.due_at, x.id LIMIT g.key_places + passed_max) AS v
                        WHERE v.expires_at IS NULL OR v.expires_at > moment
                        LIMIT g.key_places + 1) AS w
                ) AS j
            ), job_planned AS (
                SELECT l.id AS lane, l.owner, l.key, l.most, l.key_most, l.turn, i.id AS job,
                    l.running + row_number() OVER (PARTITION BY l.id ORDER BY l.key_running + i.n, l.key_turn)::int AS level
                FROM looked l CROSS JOIN LATERAL unnest(l.ids) WITH ORDINALITY AS i (id, n)
            )
            SELECT p.*, g.*, t.*, v.* INTO plan
            FROM (SELECT array_agg(x.job) AS jobs, array_agg(x.lane) AS lanes, array_agg(x.owner) AS owners,
                    array_agg(x.key) AS keys, array_agg(x.most) AS most, array_agg(x.key_most) AS key_most,
                    array_agg(x.level) AS levels
                FROM (SELECT * FROM job_planned ORDER BY level, turn) AS x) AS p,
                -- Lanes that were granted places.
                (SELECT array_agg(x.id) AS granted, array_agg(x.owner) AS granted_owners FROM granted x) AS g,
                -- Key lanes of which everything that may run was seen.
                (SELECT array_agg(x.id) AS thin_lanes, array_agg(x.key) AS thin_keys, array_agg(x.ids IS NULL) AS thin_empty FROM looked x
                WHERE x.seen <= x.key_places) AS t,
                (SELECT count(*)::int AS vain FROM looked x WHERE x.ids IS NULL) AS v;
            EXIT WHEN plan.granted IS NULL;

            SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
                SELECT t.owner::oid AS owner FROM janus_private.tenant t WHERE t.owner::oid = ANY (plan.granted_owners)
                FOR UPDATE SKIP LOCKED) AS x;

            -- A statement of its own: what runs is counted as of now, with the locks. Whoever is served by somebody else at
            -- this moment counts as running one more.
            taken := 0;
            IF plan.jobs IS NOT NULL THEN
                IF EXISTS (SELECT FROM unnest(plan.owners, plan.most, plan.key_most) AS p (owner, most, key_most)
                    WHERE p.owner <> ALL (ours) AND (p.most IS NOT NULL OR p.key_most IS NOT NULL))
                THEN
                    is_unfinished := true;
                END IF;
                RETURN QUERY
                WITH planned AS (
                    SELECT p.*, p.owner = ANY (ours) AS is_ours
                    FROM unnest(plan.jobs, plan.lanes, plan.owners, plan.keys, plan.most, plan.key_most, plan.levels) WITH ORDINALITY
                        AS p (job, lane, owner, key, most, key_most, level, place)
                ), counted AS (
                    SELECT p.*,
                        CASE WHEN p.most IS NOT NULL THEN row_number() OVER (PARTITION BY p.owner ORDER BY p.place)
                            + (SELECT count(*) FROM janus_private.run r WHERE r.owner::oid = p.owner) END AS nth,
                        CASE WHEN p.key_most IS NOT NULL THEN row_number() OVER (PARTITION BY p.owner, p.key ORDER BY p.place)
                            + (SELECT count(*) FROM janus_private.run r WHERE r.owner::oid = p.owner AND r.concurrency_key = p.key) END AS key_nth
                    FROM planned p
                    WHERE p.is_ours OR (p.most IS NULL AND p.key_most IS NULL)
                ), picked AS MATERIALIZED (
                    SELECT j.id, a.lane, a.key, a.is_ours
                    FROM (
                        SELECT * FROM counted c
                        WHERE (c.most IS NULL OR c.nth <= c.most) AND (c.key_most IS NULL OR c.key_nth <= c.key_most)
                        ORDER BY c.level + (NOT c.is_ours)::int, c.place) AS a
                    CROSS JOIN LATERAL (
                        SELECT x.id FROM janus_private.job x WHERE x.id = a.job AND x.state = 'queued' FOR UPDATE SKIP LOCKED) AS j
                    LIMIT wanted
                ), claimed AS (
                    UPDATE janus_private.job j
                    SET state = 'running', started_at = now(), attempts = j.attempts + 1, run_lease = j.run_lease + 1
                    FROM picked p WHERE j.id = p.id
                    RETURNING j.*
                ), leased AS (
                    INSERT INTO janus_private.run (job, run_lease, claim_token, daemon, owner, concurrency_key, started_at, lease_seconds,
                        lease_until, phase)
                    SELECT c.id, c.run_lease, gen_random_uuid(), claim.daemon, c.owner, c.concurrency_key, now(), claim.lease_seconds,
                        clock_timestamp() + make_interval(secs => claim.lease_seconds), 'preparing'
                    FROM claimed c
                    RETURNING job, claim_token
                ), recorded AS (
                    INSERT INTO janus_private.attempt (job, run_lease, attempt, generation, claim_token, daemon, host, started_at)
                    SELECT c.id, c.run_lease, c.attempts, c.generation, l.claim_token, claim.daemon, claim.host, now()
                    FROM claimed c JOIN leased l ON l.job = c.id
                ), lane_served AS (
                    UPDATE janus_private.lane l SET served_at = moment
                    WHERE l.id = ANY (ARRAY(SELECT p.lane FROM picked p WHERE p.is_ours))
                ), key_lane_served AS (
                    UPDATE janus_private.key_lane k SET served_at = moment
                    FROM (SELECT DISTINCT p.lane, p.key FROM picked p WHERE p.is_ours) AS p
                    WHERE k.lane = p.lane AND k.key = p.key
                )
                SELECT c.id, c.run_lease, l.claim_token, c.uuid,
                    coalesce((SELECT r.rolname::text FROM pg_roles r WHERE r.oid = c.owner), c.owner::oid::text), c.attempts,
                    extract(epoch FROM c.run_timeout)::double precision, c.webhook_url, to_json(c.webhook_events),
                    to_json(c.upload_to), c.is_suspect, i.task || jsonb_build_object('kind', c.kind), to_json(i.image_urls),
                    i.inline_images
                FROM claimed c
                JOIN leased l ON l.job = c.id
                CROSS JOIN LATERAL (SELECT x.* FROM janus_private.input x WHERE x.job = c.id) AS i
                ORDER BY c.priority, c.due_at, c.id;
                GET DIAGNOSTICS taken = ROW_COUNT;
                wanted := wanted - taken;
            END IF;

            -- Again a statement of its own: a key lane is put to sleep only where none of its jobs is due under our lock; what
            -- comes later brings its arrival.
            IF plan.thin_lanes IS NOT NULL THEN
                UPDATE janus_private.key_lane k
                SET is_waiting = false, served_at = coalesce(k.served_at, moment),
                    wakes_at = CASE WHEN n.due_at <= moment THEN moment + make_interval(secs => clogged_seconds) ELSE n.due_at END
                FROM unnest(plan.thin_lanes, plan.thin_keys, plan.thin_empty) AS t (lane, key, is_empty)
                CROSS JOIN LATERAL (SELECT x.* FROM janus_private.lane x WHERE x.id = t.lane) AS l
                LEFT JOIN LATERAL (
                    SELECT j.due_at, j.expires_at FROM janus_private.job j
                    WHERE j.state = 'queued' AND j.model = l.model AND j.queue = l.queue AND j.priority = l.priority
                        AND j.owner = l.owner AND j.concurrency_key = t.key
                    ORDER BY j.due_at, j.id LIMIT 1) AS n ON true
                WHERE l.owner::oid = ANY (ours) AND k.lane = t.lane AND k.key = t.key
                    AND (n.due_at IS NULL OR n.due_at > moment OR (t.is_empty AND n.expires_at <= moment));
                PERFORM janus_private.refresh_lanes(ARRAY(
                    SELECT l.id FROM janus_private.lane l WHERE l.id = ANY (plan.thin_lanes) AND l.owner::oid = ANY (ours)));
            END IF;

            EXIT WHEN wanted = 0;
            vain := vain + plan.vain + CASE WHEN taken = 0 THEN coalesce(cardinality(plan.jobs), 0) ELSE 0 END;
            -- Everything planned was tried. Who gave nothing had its turn all the same, and is not asked again in
            -- this claim, unless some of its key lanes were put to sleep and others are to be looked at.
            SELECT coalesce(array_agg(DISTINCT p.lane), '{}') INTO claimed_lanes
            FROM unnest(plan.jobs, plan.lanes) AS p (job, lane)
            WHERE EXISTS (SELECT FROM janus_private.run r WHERE r.job = p.job AND r.daemon = claim.daemon);
            UPDATE janus_private.lane l SET served_at = moment
            WHERE l.id = ANY (plan.granted) AND l.id <> ALL (claimed_lanes) AND l.owner::oid = ANY (ours) AND l.is_waiting;
            tried := tried || ARRAY(SELECT unnest(plan.granted) EXCEPT SELECT unnest(claimed_lanes)
                EXCEPT SELECT t.lane FROM unnest(plan.thin_lanes) AS t (lane) JOIN janus_private.lane l ON l.id = t.lane
                    WHERE l.owner::oid = ANY (ours));
            is_unfinished := is_unfinished OR vain >= vain_max OR round = rounds_max;
            EXIT WHEN vain >= vain_max;
        END LOOP;
    END LOOP;

    IF is_unfinished AND wanted = claim.places THEN
        job := NULL;
        RETURN NEXT;
    END IF;
END $$;

-- Removes lanes in which nothing waits and that nobody was served in for an hour, some of them a call: returns how many, and
-- whether there may be more to look at.
CREATE FUNCTION janus_private.tidy_lanes(OUT removed bigint, OUT is_unfinished boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    looks_max CONSTANT int := 1000;
    kept CONSTANT interval := '1 hour';
    ours oid[];
    seen record;
BEGIN
    SELECT array_agg(x.lane) AS lanes, array_agg(x.key) AS keys INTO seen FROM (
        SELECT k.lane, k.key FROM janus_private.key_lane k WHERE k.looked_at < now() - kept ORDER BY k.looked_at LIMIT looks_max) AS x;
    IF seen.lanes IS NULL THEN
        removed := 0;
        is_unfinished := false;
        RETURN;
    END IF;
    SELECT coalesce(array_agg(x.owner), '{}') INTO ours FROM (
        SELECT t.owner::oid AS owner FROM janus_private.tenant t
        WHERE t.owner IN (SELECT l.owner FROM janus_private.lane l WHERE l.id = ANY (seen.lanes)) FOR UPDATE SKIP LOCKED) AS x;

    WITH idle AS (
        DELETE FROM janus_private.key_lane k USING unnest(seen.lanes, seen.keys) AS s (lane, key), janus_private.lane l
        WHERE k.lane = s.lane AND k.key = s.key AND l.id = s.lane AND l.owner::oid = ANY (ours)
            AND coalesce(k.served_at, k.looked_at) < now() - kept
            AND NOT EXISTS (SELECT FROM janus_private.job j
                WHERE j.state = 'queued' AND j.model = l.model AND j.queue = l.queue AND j.priority = l.priority
                    AND j.owner = l.owner AND j.concurrency_key = k.key)
        RETURNING k.lane
    )
    SELECT count(*) INTO removed FROM idle;
    UPDATE janus_private.key_lane k SET looked_at = now()
    FROM unnest(seen.lanes, seen.keys) AS s (lane, key), janus_private.lane l
    WHERE k.lane = s.lane AND k.key = s.key AND l.id = s.lane AND l.owner::oid = ANY (ours);
    -- What is being served is in the way of those behind it, until the next time.
    is_unfinished := cardinality(seen.lanes) = looks_max AND ours <> '{}';
    PERFORM janus_private.refresh_lanes(ARRAY(
        SELECT l.id FROM janus_private.lane l WHERE l.id = ANY (seen.lanes) AND l.owner::oid = ANY (ours)));
    DELETE FROM janus_private.lane l
    WHERE l.id = ANY (seen.lanes) AND l.owner::oid = ANY (ours)
        AND NOT EXISTS (SELECT FROM janus_private.key_lane k WHERE k.lane = l.id);
END $$;

-- Limits ------------------------------------------------------------------------------------------------------

CREATE FUNCTION janus_private.check_limit(argument text, value int, low int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NOT NULL THEN
        PERFORM janus_private.check_number(argument, value, low, 1000000);
    END IF;
END $$;

CREATE FUNCTION janus_private.role_to_limit(role name) RETURNS regrole
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = role);
BEGIN
    IF known IS NULL THEN
        PERFORM janus_private.refuse(format('role is %s: there is no such role', coalesce(quote_literal(role), 'NULL')), 'Create it first.');
    END IF;
    RETURN known::regrole;
END $$;

CREATE FUNCTION janus.limit_owner(role name, running int = NULL, queued int = NULL, key_running int = NULL, key_queued int = NULL)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM janus_private.check_limit('running', running, 1);
    PERFORM janus_private.check_limit('queued', queued, 0);
    PERFORM janus_private.check_limit('key_running', key_running, 1);
    PERFORM janus_private.check_limit('key_queued', key_queued, 0);
    INSERT INTO janus_private.owner_limit AS t (owner, running_max, queued_max, key_running_max, key_queued_max)
    VALUES (janus_private.role_to_limit(role), running, queued, key_running, key_queued)
    ON CONFLICT (owner) DO UPDATE SET running_max = excluded.running_max, queued_max = excluded.queued_max,
        key_running_max = excluded.key_running_max, key_queued_max = excluded.key_queued_max;
END $$;
COMMENT ON FUNCTION janus.limit_owner IS $$Says how many jobs of a role may run and wait, all daemons together. Each call sets all four.

role: A role of this server, whose own jobs are meant.
running: Most jobs that run at one moment, 1 to 1000000. NULL takes setting owner_running_max.
queued: Most jobs that wait, 0 to 1000000; enqueueing counts them, which costs more the more there are. NULL takes setting owner_queued_max.
key_running: As running, for each concurrency_key of the role that janus.limit_key does not name. NULL takes setting key_running_max.
key_queued: As queued, for each such key. NULL takes setting key_queued_max.
Returns: Nothing; jobs that run or wait already stay.
22023: There is no such role, or a limit is outside of its bounds.$$;

CREATE FUNCTION janus.limit_key(role name, key text, running int = NULL, queued int = NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
-- as ON CONFLICT names a column that is called like an argument
BEGIN
    PERFORM janus_private.check_text('key', key, 255);
    PERFORM janus_private.check_limit('running', running, 1);
    PERFORM janus_private.check_limit('queued', queued, 0);
    INSERT INTO janus_private.key_limit AS l (owner, key, running_max, queued_max)
    VALUES (janus_private.role_to_limit(role), key, running, queued)
    ON CONFLICT (owner, key) DO UPDATE SET running_max = excluded.running_max, queued_max = excluded.queued_max;
END $$;
COMMENT ON FUNCTION janus.limit_key IS $$Says how many jobs with one concurrency_key of a role may run and wait, all daemons together. Each call sets both.

role: A role of this server; keys are its own.
key: The concurrency_key, 1 to 255 bytes.
running: Most jobs that run at one moment, 1 to 1000000. NULL takes what janus.limit_owner says of the role's keys.
queued: Most jobs that wait, 0 to 1000000. NULL takes what janus.limit_owner says of the role's keys.
Returns: Nothing; jobs that run or wait already stay.
22023: There is no such role, key is empty or too long, or a limit is outside of its bounds.$$;

SELECT janus_private.grant_to('admin', 'EXECUTE ON FUNCTION janus.limit_owner, janus.limit_key');
SELECT janus_private.grant_to('daemon', 'EXECUTE ON FUNCTION janus_private.claim, janus_private.digest, janus_private.tidy_lanes');
SELECT janus_private.seal();
