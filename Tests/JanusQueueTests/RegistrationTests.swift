import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("What others see of a daemon and its runs")
struct RegistrationTests {
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
        _ = try await bench.queue.finish(claim, QueueBench.result())
        #expect(try await bench.queue.eventBody(claim.run, type: "progress") == nil)
    }
}
