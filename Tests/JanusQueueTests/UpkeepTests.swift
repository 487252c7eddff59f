import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Upkeep, listening and the client")
struct UpkeepTests {
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

        #expect(try await bench.queue.prune(RetentionRule(canceledSeconds: 2 * 86400)) == 0)
        let rule = RetentionRule(succeededSeconds: 0, failedSeconds: 0, canceledSeconds: 3600, batchJobs: 2)
        // another host is at it
        let other = try await bench.database.connect()
        try await other.query("SELECT pg_advisory_lock(x'6A616E757302'::bigint)")
        #expect(try await bench.queue.prune(rule) == 0)
        try await other.query("SELECT pg_advisory_unlock_all()")
        #expect(try await bench.queue.prune(rule) == 5)
        let left = try await bench.client.query("SELECT id FROM janus.jobs ORDER BY id")
        #expect(try left.rows.map { row throws(PostgresError) in try row.int64("id") } == [called, young, waiting])
        let delivery = try #require(try await bench.queue.claimWebhooks(limit: 9, retryAfterSeconds: 60).first)
        try await bench.queue.recordWebhook(delivery.id, .delivered(status: 200))
        #expect(try await bench.queue.prune(rule) == 1)
        #expect(try await bench.count("janus_private.input") == 2)
    }

    @Test("the workers' view shows a registered daemon until it leaves")
    func workers() async throws {
        let bench = try await QueueBench()
        try await bench.generate()
        _ = try await bench.claimOne()
        let row = try await bench.client.query(
            "SELECT host, alive, running, to_json(models) AS models FROM janus.workers"
        ).row
        #expect(try row.text("host") == "host" && row.bool("alive") && row.int("running") == 1)
        #expect(try row.json("models", as: [String].self) == ["tiny"])
        try await bench.queue.deregister()
        #expect(try await bench.client.query("SELECT FROM janus.workers").rows.isEmpty)
        try await bench.queue.ping()
    }

    @Test("events of a running job have a body, until it ends")
    func events() async throws {
        let bench = try await QueueBench()
        try await bench.generate()
        let claim = try await bench.claimOne()
        let body = try #require(try await bench.queue.eventBody(claim.run, type: "started"))
        let event = try #require(try JSONSerialization.jsonObject(with: body) as? [String: Any])
        #expect(event["type"] as? String == "job.started")
        _ = try await bench.queue.finish(claim, QueueBench.result(), rule: QueueBench.rule)
        #expect(try await bench.queue.eventBody(claim.run, type: "progress") == nil)
    }

    @Test("the listener says reconnected first, then hears work and control, also after its connection was cut")
    func listening() async throws {
        let bench = try await QueueBench()
        let listener = try QueueListener(dsn: bench.database.daemonDSN, proofSeconds: 0.2)
        let events = AsyncStream<QueueEvent>.makeStream()
        let task = Task {
            for await event in listener { events.continuation.yield(event) }
            events.continuation.finish()
        }
        func next(_ wanted: QueueEvent) async throws {
            for await event in events.stream where event == wanted { return }
            throw BenchError("the listener ended")
        }
        try await next(.reconnected)
        let id = try await bench.generate()
        try await next(.work)
        _ = try await bench.claimOne()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        try await next(.control)
        try await bench.superuser.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'janusd listener'"
        )
        try await next(.reconnected)
        try await bench.generate()
        try await next(.work)
        task.cancel()
        await task.value
    }

    @Test("a listener of a server that is away ends with its task")
    func listenerAway() async throws {
        let failures = AsyncStream<PostgresError>.makeStream()
        let listener = try QueueListener(dsn: "host=127.0.0.1 port=1 dbname=x") { failures.continuation.yield($0) }
        let task = Task { for await _ in listener {} }
        for await failure in failures.stream {
            #expect(failure.isConnectionFailure)
            break
        }
        task.cancel()
        await task.value
        #expect(throws: QueueError.database(.invalidDSN)) { try QueueListener(dsn: "nonsense") }
        #expect(throws: QueueError.database(.invalidDSN)) { try JobClient(dsn: "nonsense") }
    }

    @Test("the command line's client enqueues, reads, cancels and fetches")
    func client() async throws {
        let bench = try await QueueBench()
        let client = try JobClient(dsn: try await bench.database.clientDSN("cli"))
        var options = EnqueueOptions()
        options.seed = 7
        options.priority = 0
        options.metadata = "{\"from\": \"cli\"}"
        options.uploadTo = ["db:"]
        options.runTimeoutSeconds = 12.5
        let image = try await client.generate(prompt: "a", images: 2, cfgWeight: 3, format: "jpeg", options: options)
        let claim = try await bench.claimOne()
        #expect(claim.run.job == image && claim.runTimeoutSeconds == 12.5 && claim.uploadTo == ["db:"])
        _ = try await bench.queue.finish(
            claim, QueueBench.result(outputs: [QueueBench.output(Data([5, 6]))]), rule: QueueBench.rule)
        let status = try #require(try await client.status(image))
        #expect(status.state == .succeeded && status.progress == 100 && status.json.contains("\"from\": \"cli\""))
        #expect(try await client.output(image) == Data([5, 6]))
        let text = try await client.understand(prompt: "b", imageData: [Data([1]), Data([0, 2])], maxTokens: 5)
        #expect(try await client.status(text)?.state == .queued)
        #expect(try await client.cancel(text) == "canceled")
        #expect(try await client.retry(text) == "queued")
        #expect(try await client.status(999) == nil)
        #expect(try await client.webhookSecret().hasPrefix("whsec_"))
        let error = await #expect(throws: QueueError.self) { try await client.generate(prompt: " ") }
        #expect("\(error!)".contains("prompt is white space"))
        await client.close()
    }
}
