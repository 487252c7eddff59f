import JanusPostgres
import JanusQueue
import Testing
import TestSupport

/// What people look at, in a queue that is long: pages, counts, one job, the load.
@Suite("Reading")
struct ReadingTests {
    /// So many jobs of each of these roles, every third of them canceled, without the checks of enqueueing.
    private func fill(_ bench: QueueBench, _ roles: [String], jobs: Int) async throws {
        try await bench.superuser.query(
            """
            WITH made AS (
                INSERT INTO janus_private.job (owner, kind, queue, model, priority, due_at, max_attempts, run_timeout, webhook_events,
                    upload_to, metadata, state, finished_at)
                SELECT r::regrole, 'generate', 'default', 'tiny', 5, now(), 5, '1 min', '{}', '{}', '{}',
                    CASE WHEN n % 3 = 0 THEN 'canceled' ELSE 'queued' END, CASE WHEN n % 3 = 0 THEN now() END
                FROM generate_series(1, $2::int) AS n, unnest($1::text[]) AS r
                RETURNING id)
            INSERT INTO janus_private.input (job, task, image_urls, inline_images)
            SELECT id, '{"prompt": "a", "images": 1, "cfg_weight": 5, "temperature": 1, "top_k": 0, "format": "png", "seed": "1"}', '{}', 0
            FROM made
            """, [.texts(roles), .int(jobs)])
    }

    private func ids(_ list: String, by connection: PostgresConnection) async throws -> [Int64] {
        try await connection.query("SELECT id FROM janus.\(list)").rows
            .map { row throws(PostgresError) in try row.int64("id") }
    }

    @Test("pages follow one another from the newest, of one state or all, and have the same rows as janus.jobs")
    func pages() async throws {
        let bench = try await QueueBench()
        let bob = try await bench.database.client("bob")
        try await fill(bench, [bench.database.roleName("alice"), bench.database.roleName("bob")], jobs: 60)
        let admin = try await bench.database.connect(bench.database.adminDSN)
        for (reader, total) in [(bench.client, 60), (bob, 60), (admin, 120)] {
            for condition in ["NULL", "'queued'", "'canceled'", "'running'"] {
                let expected = try await ids(
                    "jobs WHERE state = coalesce(\(condition), state) ORDER BY id DESC", by: reader)
                #expect(condition != "NULL" || expected.count == total)
                var seen: [Int64] = []
                while true {
                    let before = seen.last.map { "\($0)" } ?? "NULL"
                    let page = try await ids("list(\(condition), before => \(before), most => 17)", by: reader)
                    seen += page
                    if page.count < 17 { break }
                }
                #expect(seen == expected, "\(condition)")
            }
            let differing = try await reader.query(
                "SELECT count(*) AS n FROM (SELECT * FROM janus.list(most => 1000) EXCEPT ALL SELECT * FROM janus.jobs) AS x"
            )
            #expect(try differing.row.int("n") == 0)
        }
        #expect(try await ids("list()", by: bench.client).count == 50)
        for (call, says) in [
            ("list('lost')", "state is 'lost': there is no such state"),
            ("list(most => 0)", "most is 0: it must be between 1 and 1000"),
            ("list(most => 1001)", "most is 1001"), ("list(most => NULL)", "most is NULL"),
        ] {
            let error = await #expect(throws: PostgresError.self) { try await ids(call, by: bench.client) }
            #expect(error?.sqlState == "22023" && "\(error!)".contains(says), "\(call)")
        }
    }

    @Test("jobs are counted in each state: one's own and those that one sees")
    func counts() async throws {
        let bench = try await QueueBench()
        let bob = try await bench.database.client("bob")
        try await fill(bench, [bench.database.roleName("alice")], jobs: 60)
        try await fill(bench, [bench.database.roleName("bob")], jobs: 3)
        _ = try await bench.claim(2)
        let admin = try await bench.database.connect(bench.database.adminDSN)
        func counts(_ reader: PostgresConnection) async throws -> [String] {
            try await reader.query("SELECT state || ' ' || jobs AS line FROM janus.counts()").rows
                .map { row throws(PostgresError) in try row.text("line") }
        }
        let all = try await counts(admin)
        #expect(all == ["queued 40", "running 2", "succeeded 0", "failed 0", "canceled 21"])
        #expect(try await counts(bob).last == "canceled 1")
        try await bench.superuser.query(
            "GRANT \(bench.database.roleName("alice")) TO \(bench.database.roleName("bob"))")
        #expect(try await counts(bob) == all)
    }

    @Test("what people look at is found by an index in a long queue, and only a bounded part of it is read")
    func plans() async throws {
        let bench = try await QueueBench()
        _ = try await bench.database.client("bob")
        try await fill(bench, [bench.database.roleName("alice"), bench.database.roleName("bob")], jobs: 6000)
        let admin = try await bench.database.connect(bench.database.adminDSN)
        let last = try await ids("jobs WHERE state = 'queued' ORDER BY id DESC LIMIT 1", by: bench.client)[0]
        let looks = [
            ("status(\(last))", 2200), ("list()", 500), ("list('queued')", 300), ("list('failed')", 9),
            ("list(before => \(last / 2))", 500), ("list('canceled', before => \(last / 2))", 300),
            ("jobs WHERE id = \(last)", 9),
        ]
        // whatever the planner believes: without statistics, and with
        for analyzed in [false, true] {
            if analyzed { try await bench.superuser.runScript("ANALYZE janus_private.job") }
            let looksOfAll = [("queue_depth", 20_000), ("counts()", 30_000)]
            for (reader, looks) in [(bench.client, looks + [("counts()", 15_000)]), (admin, looks + looksOfAll)] {
                for (look, most) in looks {
                    let (scans, rows) = try await reading(look, by: reader)
                    #expect(scans == 0, "\(look) reads job from end to end")
                    #expect(rows <= most, "\(look) reads \(rows) rows of job")
                }
            }
        }
        // what is no function
        for view in ["jobs WHERE id = \(last)", "job_status WHERE id = \(last)", "attempts WHERE job = \(last)"] {
            let plan = try await admin.query("EXPLAIN SELECT * FROM janus.\(view)").rows
                .map { row throws(PostgresError) in try row.text("QUERY PLAN") }
            #expect(
                plan.contains { $0.contains("job_pkey") } && !plan.contains { $0.contains("Seq Scan on job ") },
                "\(plan)")
        }
    }

    /// - Returns: scans of the whole of `job`, and its rows and entries of indexes that were read.
    private func reading(_ look: String, by connection: PostgresConnection) async throws -> (scans: Int, rows: Int) {
        let sql = """
            SELECT coalesce(max(t.seq_scan), 0)::bigint AS scans, coalesce(max(t.idx_tup_fetch), 0)::bigint
                + coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)), 0)::bigint AS read
            FROM pg_stat_xact_user_tables t JOIN pg_stat_user_indexes i ON i.relid = t.relid
            WHERE t.schemaname = 'janus_private' AND t.relname = 'job'
            """
        try await connection.query("BEGIN")
        let before = try await connection.query(sql).row
        try await connection.query(
            "SELECT count(*) FROM (SELECT * FROM janus.\(look)) AS x, LATERAL (SELECT x::text OFFSET 0) AS y")
        let after = try await connection.query(sql).row
        try await connection.query("COMMIT")
        return (try after.int("scans") - before.int("scans"), try after.int("read") - before.int("read"))
    }
}
