import JanusPostgres
import JanusJob
import JanusQueue
import Testing
import TestSupport

@Suite("Retention")
struct RetentionTests {
    @Test("pruning takes finished jobs by age and state in batches, and spares webhooks still to be called")
    func pruning() async throws {
        let bench = try await QueueBench()
        for _ in 0..<5 {
            let id = try await bench.generate()
            try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        }
        let called = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        try await bench.client.query("SELECT janus.cancel($1)", [.int(called)])
        try await bench.superuser.query("UPDATE janus_private.job SET finished_at = finished_at - interval '1 day'")
        let young = try await bench.generate()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(young)])
        let waiting = try await bench.generate()

        let old = RetentionRule(succeededSeconds: 0, failedSeconds: 0, canceledSeconds: 2 * 86400)
        #expect(try await bench.queue.prune(old) == 0)
        let rule = RetentionRule(succeededSeconds: 0, failedSeconds: 0, canceledSeconds: 3600, batchJobs: 2)
        // another host is at it
        let other = try await bench.database.connect()
        try await other.runScript("BEGIN; SELECT FROM janus_private.chore WHERE name = 'pruning' FOR UPDATE")
        #expect(try await bench.queue.prune(rule) == 0)
        try await other.query("ROLLBACK")
        // a client knows the numbers of advisory locks, and may not lock that row
        try await bench.client.query(
            "SELECT pg_advisory_lock(x'6A616E757301'::bigint), pg_advisory_lock(x'6A616E757302'::bigint)")
        await #expect(throws: PostgresError.self) {
            try await bench.client.query("SELECT FROM janus_private.chore FOR UPDATE")
        }
        #expect(try await bench.queue.prune(rule) == 5)
        let left = try await bench.client.query("SELECT id FROM janus.jobs ORDER BY id")
        #expect(try left.rows.map { row throws(PostgresError) in try row.int64("id") } == [called, young, waiting])
        let delivery = try #require(try await bench.queue.claimWebhooks(WebhookClaim(limit: 9)).webhooks.first)
        #expect(try await bench.queue.recordWebhook(delivery, .delivered(status: 200)))
        #expect(try await bench.queue.prune(rule) == 1)
        #expect(try await bench.count("janus_private.input") == 2)
    }

    @Test("a client's open transaction on an old job or its delivery delays no pruning of others")
    func clientsTransaction() async throws {
        let bench = try await QueueBench()
        for call in ["redeliver", "retry"] {
            let held = try await bench.generate("'a', webhook_url => 'https://example.org/'")
            let free = try await bench.generate()
            try await bench.client.query("SELECT janus.cancel($1), janus.cancel($2)", [.int(held), .int(free)])
            try await bench.superuser.query(
                "UPDATE janus_private.webhook_delivery SET state = 'delivered', finished_at = now() WHERE state = 'pending'"
            )
            try await bench.client.query("BEGIN")
            try await bench.client.query(
                call == "retry"
                    ? "SELECT janus.retry(\(held))" : "SELECT janus.redeliver(id) FROM janus.webhook_deliveries")
            let rule = RetentionRule(succeededSeconds: 0, failedSeconds: 0, canceledSeconds: 0, batchJobs: 2)
            #expect(try await bench.queue.prune(rule) == 1, "\(call)")
            try await bench.client.query("ROLLBACK")
            #expect(try await bench.queue.prune(rule) == 1, "\(call)")
        }
    }
}
