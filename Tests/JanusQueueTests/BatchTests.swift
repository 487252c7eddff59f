import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Many jobs by one call")
struct BatchTests {
    private func batch(_ bench: QueueBench, _ arguments: String) async throws -> [Int64] {
        try await bench.client.query("SELECT janus.batch(\(arguments)) AS id").rows.map { row throws(PostgresError) in
            try row.int64("id")
        }
    }

    @Test("each prompt is a job as janus.generate makes it, in order, with a seed of its own")
    func jobs() async throws {
        let bench = try await QueueBench()
        let ids = try await batch(
            bench,
            "'{a,b,c}', images => 2, metadata => '{\"x\": 1}', concurrency_key => 'k', webhook_url => 'https://x/'")
        #expect(ids.count == 3 && ids == ids.sorted())
        let single = try await bench.generate(
            "'c', images => 2, metadata => '{\"x\": 1}', concurrency_key => 'k', webhook_url => 'https://x/'")
        let differing = """
            SELECT count(*) AS n FROM janus.jobs a, janus.jobs b WHERE a.id = $1 AND b.id = $2
                AND to_jsonb(a) - '{id,uuid,seed,arguments,created_at,run_at,queue_position}'::text[]
                    = to_jsonb(b) - '{id,uuid,seed,arguments,created_at,run_at,queue_position}'::text[]
                AND a.arguments - 'seed' = b.arguments - 'seed' AND a.seed <> b.seed
            """
        #expect(try await bench.client.query(differing, [.int(ids[2]), .int(single)]).row.int("n") == 1)
        #expect(try await bench.client.query("SELECT count(DISTINCT seed) AS n FROM janus.jobs").row.int("n") == 4)
        let claims = try await bench.claim(3)
        #expect(claims.map(\.run.job) == ids)
        #expect(try await batch(bench, "'{}'").isEmpty)
        let seeded = try await batch(bench, "'{a,b}', seed => 7")
        #expect(try await bench.column("seed", seeded[1]) == "7")
    }

    @Test("one bad prompt or argument refuses all, naming the prompt's place; one URL is not written to by many")
    func refusals() async throws {
        let bench = try await QueueBench()
        try await bench.superuser.query("SELECT janus.configure('batch_max', '3')")
        for (arguments, says) in [
            ("ARRAY['a', ' ']", "prompts[2] is white space"), ("ARRAY['a', NULL]", "prompts contains NULL"),
            ("ARRAY['a', repeat('x', 16385)]", "prompts[2] has 16385 bytes: the limit is 16384"),
            ("NULL", "prompts is NULL"),
            ("'{a,b,c,d}'", "prompts has 4 elements: the limit is 3"), ("'{a,b}', images => 0", "images is 0"),
            ("'{a,b}', upload_to => '{https://x/a}'", "upload_to has 1 exact URLs for 2 jobs"),
            ("'{a,b}', idempotency_key => repeat('k', 248)", "idempotency_key has 248 bytes: the limit is 247"),
            ("'{a,b}', seed => -1", "seed is -1"),
        ] {
            let error = await #expect(throws: PostgresError.self, "accepted: \(arguments)") {
                try await batch(bench, arguments)
            }
            #expect(error?.sqlState == "22023" && error.map { "\($0)".contains(says) } == true, "\(arguments)")
        }
        #expect(try await bench.count("janus_private.job") == 0)
    }

    @Test("a repeat with the same key gives the same jobs, makes those that are missing, and refuses others")
    func idempotency() async throws {
        let bench = try await QueueBench()
        let ids = try await batch(bench, "'{a,b}', idempotency_key => 'k'")
        #expect(try await batch(bench, "'{a,b}', idempotency_key => 'k'") == ids)
        let more = try await batch(bench, "'{a,b,c}', idempotency_key => 'k'")
        #expect(more.prefix(2) == ids[...] && more.count == 3)
        let error = await #expect(throws: PostgresError.self) {
            try await batch(bench, "'{a,x,c}', idempotency_key => 'k'")
        }
        #expect(
            error?.sqlState == "22023" && "\(error as Any)".contains("idempotency_key 'k:2' was used for job \(ids[1])")
        )
        #expect(try await bench.count("janus_private.job") == 3)
        #expect(try await bench.count("janus_private.input") == 3)
    }
}
