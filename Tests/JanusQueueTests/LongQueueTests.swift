import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

/// What a claim reads does not depend on how much is queued. EXPLAIN does not look into functions; the server counts what
/// each transaction reads.
@Suite("Long queues")
struct LongQueueTests {
    private static let jobsOfOne = 3000

    /// Queued jobs of several owners, without the checks of enqueueing.
    private func fill(_ bench: QueueBench, owners: [String], jobs: Int, _ columns: String = "", _ values: String = "")
        async throws
    {
        try await bench.superuser.query(
            """
            WITH made AS (
                INSERT INTO janus_private.job (owner, kind, queue, model, priority, due_at, max_attempts, run_timeout, webhook_events,
                    upload_to, metadata\(columns))
                SELECT o::regrole, 'generate', 'default', 'tiny', 5, clock_timestamp(), 5, '1 min', '{}', '{}', '{}'\(values)
                FROM unnest($1::text[]) AS o, generate_series(1, $2::int)
                RETURNING id)
            INSERT INTO janus_private.input (job, task, image_urls, inline_images)
            SELECT id, '{"prompt": "a", "images": 1, "cfg_weight": 5, "temperature": 1, "top_k": 0, "format": "png", "seed": "1"}', '{}', 0
            FROM made
            """, [.texts(owners), .int(jobs)])
    }

    /// Claims in a transaction of its own.
    /// - Returns: the jobs, and how many rows of `job` were read from end to end and by an index.
    private func claim(_ capacity: Int, on connection: PostgresConnection) async throws -> (
        jobs: [Int64], scans: Int, fetched: Int
    ) {
        try await connection.query("BEGIN")
        let before = try await rowsRead(connection)
        let claimed = try await connection.query(
            """
            SELECT job FROM janus_private.claim('tiny', '{default}', $1::int, '{}', gen_random_uuid(), 'host', 30) WHERE job IS NOT NULL
            """, [.int(capacity)])
        let after = try await rowsRead(connection)
        try await connection.query("COMMIT")
        return (
            try claimed.rows.map { row throws(PostgresError) in try row.int64("job") }, after.scans - before.scans,
            after.fetched - before.fetched
        )
    }

    /// What this session has read of `job` and not yet told the statistics of.
    private func rowsRead(_ connection: PostgresConnection) async throws -> (scans: Int, fetched: Int) {
        let row = try await connection.query(
            """
            SELECT coalesce(sum(seq_scan), 0)::bigint AS scans, coalesce(sum(idx_tup_fetch), 0)::bigint AS fetched
            FROM pg_stat_xact_user_tables WHERE schemaname = 'janus_private' AND relname = 'job'
            """
        ).row
        return (try row.int("scans"), try row.int("fetched"))
    }

    @Test("a claim reads no more of a long queue than of a short one: behind many owners, a blocked key, expired jobs")
    func claims() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        var owners: [String] = []
        for name in 1...40 { owners.append(bench.database.roleName("o\(name)")) }
        for owner in owners { try await bench.superuser.query("CREATE ROLE \(owner)") }
        try await fill(bench, owners: [alice], jobs: Self.jobsOfOne, ", concurrency_key", ", 'blocked'")
        try await bench.superuser.query("SELECT janus.limit_key('\(alice)', 'blocked', running => 1)")
        try await fill(bench, owners: [owners[0]], jobs: Self.jobsOfOne, ", expires_at", ", now()")
        try await fill(bench, owners: owners, jobs: 50)
        // whatever the planner believes: without statistics, and with
        for analyzed in [false, true] {
            if analyzed {
                try await bench.superuser.runScript("ANALYZE janus_private.job, janus_private.run, janus_private.lane")
            }
            let daemon = try await bench.database.connect(bench.database.daemonDSN)
            for _ in 0..<8 {
                let result = try await claim(8, on: daemon)
                #expect(result.jobs.count == 8)
                #expect(result.scans == 0, "job was read from end to end")
                #expect(result.fetched < 600, "\(result.fetched) rows for 8 jobs")
            }
            await daemon.close()
        }
        let new = try await bench.database.client("newcomer")
        let job = try await new.query("SELECT janus.generate('a') AS id").row.int64("id")
        let daemon = try await bench.database.connect(bench.database.daemonDSN)
        #expect(try await claim(1, on: daemon).jobs == [job])
    }

    @Test("keys that give nothing, in every priority, cost a claim a bounded number of looks and nobody a turn")
    func vainKeys() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        try await bench.superuser.query(
            """
            INSERT INTO janus_private.job (owner, kind, queue, model, priority, due_at, expires_at, concurrency_key, max_attempts,
                run_timeout, webhook_events, upload_to, metadata)
            SELECT $1::regrole, 'generate', 'default', 'tiny', n % 10, now(), now(), 'k' || n, 5, '1 min', '{}', '{}', '{}'
            FROM generate_series(1, 3000) AS n
            """, [.text(alice)])
        _ = try await bench.queue.digestArrivals(models: ["tiny"], queues: ["default"])
        let daemon = try await bench.database.connect(bench.database.daemonDSN)
        for _ in 0..<4 {
            let result = try await claim(16, on: daemon)
            #expect(result.jobs.isEmpty)
            #expect(result.fetched < 400, "\(result.fetched) rows for nothing")
        }
        let bob = try await bench.database.client("bob")
        let job = try await bob.query("SELECT janus.generate('a', priority => 9) AS id").row.int64("id")
        #expect(try await claim(16, on: daemon).jobs == [job])
        // whoever asks is told to ask again
        let row = try await daemon.query(
            "SELECT job FROM janus_private.claim('tiny', '{default}', 16, '{}', gen_random_uuid(), 'host', 30)")
        #expect(try row.rows.count == 1 && row.row.intIfAny("job") == nil)
    }
}
