import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import TestSupport
import Testing

@Suite("The outbox")
struct OutboxTests {
    /// So many canceled jobs of a client, each with a webhook that is due; they lie there for longer with each call.
    private func fill(_ bench: QueueBench, _ client: PostgresConnection, _ count: Int) async throws {
        try await client.query(
            """
            SELECT janus.cancel(janus.generate('a', webhook_url => 'https://' || current_user || '.example/'))
            FROM generate_series(1, $1::int)
            """, [.int(count)])
    }

    private func claim(_ bench: QueueBench, _ claim: WebhookClaim) async throws -> WebhookBatch {
        try await bench.queue.claimWebhooks(claim)
    }

    @Test("of each owner the one that waits the longest comes first, whoever has how many")
    func turns() async throws {
        let bench = try await QueueBench()
        try await fill(bench, bench.client, 40)
        let bob = try await bench.database.client("bob")
        try await fill(bench, bob, 2)
        let batch = try await claim(bench, WebhookClaim(limit: 5))
        let owners = batch.webhooks.map(\.owner).sorted()
        let (alice, other) = (bench.database.roleName("alice"), bench.database.roleName("bob"))
        #expect(owners == [alice, alice, alice, other, other])
        #expect(batch.cursor == nil)
    }

    @Test("an owner gets no more than its share, those under way included; others go on")
    func share() async throws {
        let bench = try await QueueBench()
        try await fill(bench, bench.client, 10)
        let bob = try await bench.database.client("bob")
        try await fill(bench, bob, 1)
        let (alice, other) = (bench.database.roleName("alice"), bench.database.roleName("bob"))
        let batch = try await claim(bench, WebhookClaim(limit: 10, perOwner: 4, inFlight: [alice: 3]))
        #expect(batch.webhooks.map(\.owner).sorted() == [alice, other])
        let next = try await claim(bench, WebhookClaim(limit: 10, perOwner: 4, inFlight: [alice: 4, other: 1]))
        #expect(next.webhooks.isEmpty)
    }

    @Test("owners are gone through bit by bit, and a claim says where the next goes on")
    func cursor() async throws {
        let bench = try await QueueBench()
        for name in ["a", "b", "c"] { try await fill(bench, try await bench.database.client(name), 3) }
        var seen: [[String]] = []
        var after: String?
        repeat {
            let batch = try await claim(bench, WebhookClaim(limit: 2, ownersMax: 2, after: after))
            seen.append(batch.webhooks.map(\.owner))
            after = batch.cursor
        } while after != nil && seen.count < 10
        #expect(seen.flatMap { $0 }.sorted() == ["a", "b", "c", "c"].map { bench.database.roleName($0) })
        #expect(seen.map(\.count) == [2, 2])
    }

    @Test("a webhook that is put back costs no attempt and is due again when it was said")
    func postponed() async throws {
        let bench = try await QueueBench()
        try await fill(bench, bench.client, 2)
        let taken = try await claim(bench, WebhookClaim(limit: 2)).webhooks
        try await bench.queue.postponeWebhooks([(taken[0], 0), (taken[1], 3600)])
        let again = try await claim(bench, WebhookClaim(limit: 2)).webhooks
        #expect(again.map(\.id) == [taken[0].id] && again[0].attempt == 1)
        let rows = try await bench.client.query("SELECT attempts FROM janus.webhook_deliveries")
        #expect(try rows.rows.map { try $0.int("attempts") } == [0, 0])
    }

    @Test("a result is recorded once, and not over a request to call anew")
    func recorded() async throws {
        let bench = try await QueueBench()
        try await fill(bench, bench.client, 1)
        let first = try #require(try await claim(bench, WebhookClaim(limit: 1)).webhooks.first)
        try await bench.client.query("SELECT janus.redeliver($1)", [.int(first.id)])
        #expect(try await bench.queue.recordWebhook(first, .delivered(status: 200)))
        let second = try #require(try await claim(bench, WebhookClaim(limit: 1)).webhooks.first)
        #expect(second.id == first.id && second.attempt == 1)
        for status in [200, 201] { #expect(try await bench.queue.recordWebhook(second, .delivered(status: status))) }
        let row = try await bench.client.query("SELECT state, attempts, last_status FROM janus.webhook_deliveries").row
        #expect(try row.text("state") == "delivered" && row.int("attempts") == 1 && row.int("last_status") == 200)
    }

    @Test("a row that a client has locked is not waited for: not to take it, to put it back, nor to record a result")
    func locked() async throws {
        let bench = try await QueueBench()
        try await fill(bench, bench.client, 2)
        let taken = try await claim(bench, WebhookClaim(limit: 1)).webhooks
        try await bench.superuser.query("BEGIN")
        try await bench.superuser.query("SELECT FROM janus_private.webhook_delivery FOR UPDATE")
        #expect(try await claim(bench, WebhookClaim(limit: 9)).webhooks.isEmpty)
        try await bench.queue.postponeWebhooks([(taken[0], 0)])
        #expect(try await bench.queue.recordWebhook(taken[0], .delivered(status: 200)) == false)
        try await bench.superuser.query("COMMIT")
        #expect(try await bench.queue.recordWebhook(taken[0], .delivered(status: 200)))
        #expect(try await bench.count("janus_private.webhook_delivery WHERE state = 'delivered'") == 1)
    }
}

@Suite("What attempts leave at sinks")
struct OrphanTests {
    private let objects = ["https://store.example/a/1-0.png"]
    private let files = ["file:///srv/a/1-0.png"]

    private func orphans(_ bench: QueueBench, _ job: Int64) async throws -> [String] {
        let result = try await bench.client.query(
            "SELECT to_json(orphans) AS orphans FROM janus.attempts WHERE job = $1 ORDER BY run_lease", [.int(job)])
        return try result.rows.flatMap { try $0.json("orphans", as: [String].self) }
    }

    @Test("what a lost claim was about to upload is named by its attempt, and its files are its host's to sweep")
    func lost() async throws {
        let bench = try await QueueBench()
        let job = try await bench.generate()
        let claim = try await bench.claimOne()
        #expect(try await bench.queue.announceUploads(of: claim, objects: objects, files: files))
        #expect(try await orphans(bench, job) == [])
        try await bench.ageLease(claim.run, seconds: 3600)
        let other = try await bench.otherQueue()
        #expect(try await other.rescue() == [claim.run])
        #expect(try await orphans(bench, job) == objects + files)
        #expect(try await bench.queue.announceUploads(of: claim, objects: objects, files: files) == false)

        #expect(try await bench.queue.orphanedFiles(afterSeconds: 3600).isEmpty)
        let found = try await bench.queue.orphanedFiles(afterSeconds: 0)
        #expect(found.map(\.run) == [claim.run] && found.map(\.urls) == [files])
        try await bench.queue.forgetFiles(of: found.map(\.run))
        #expect(try await bench.queue.orphanedFiles(afterSeconds: 0).isEmpty)
        #expect(try await orphans(bench, job) == objects)
    }

    @Test("what a success uploaded is no orphan")
    func success() async throws {
        let bench = try await QueueBench()
        let job = try await bench.generate()
        let claim = try await bench.claimOne()
        #expect(try await bench.queue.announceUploads(of: claim, objects: objects, files: files))
        _ = try await bench.queue.finish(claim, QueueBench.result())
        #expect(try await orphans(bench, job) == [])
        #expect(try await bench.queue.orphanedFiles(afterSeconds: 0).isEmpty)
    }
}
