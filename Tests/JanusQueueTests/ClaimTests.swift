import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Claiming")
struct ClaimTests {
    @Test("jobs come by priority, then as they were enqueued; only due ones, of the queues and models asked for")
    func order() async throws {
        let bench = try await QueueBench()
        try await bench.queue.register(models: ["tiny", "other"], queues: ["default"], version: "test")
        let early = try await bench.generate("'a'")
        // what lies in the past counts as now: it does not pass what was there before
        let late = try await bench.generate("'a', run_at => now() - interval '1 h'")
        let urgent = try await bench.generate("'a', priority => 0")
        let lazy = try await bench.generate("'a', priority => 9, run_at => now() - interval '1 day'")
        try await bench.generate("'a', run_at => now() + interval '1 h', priority => 0")
        let slow = try await bench.generate("'a', queue => 'slow', priority => 1")
        let other = try await bench.generate("'a', model => 'other', priority => 1")
        #expect(try await bench.column("queue_position", lazy) == "4")
        #expect(try await bench.claim(0).isEmpty)
        #expect(try await bench.claim(2).map(\.run.job) == [urgent, early])
        #expect(try await bench.claim(10).map(\.run.job) == [late, lazy])
        #expect(try await bench.claim(10).isEmpty)
        #expect(try await bench.claim(10, queues: ["slow", "default"]).map(\.run.job) == [slow])
        let others = try await bench.queue.claim(model: "other", queues: ["default"], capacity: 10)
        #expect(others.map(\.run.job) == [other])
        let depth = try await bench.queue.depth()
        #expect(depth.map(\.scheduled).reduce(0, +) == 1 && depth.map(\.running).reduce(0, +) == 6)
    }

    @Test("daemons that claim at one moment never claim one job, and leave none")
    func concurrent() async throws {
        let bench = try await QueueBench()
        let total = 120
        try await bench.client.query("SELECT janus.generate('a') FROM generate_series(1, \(total))")
        let claimed = try await withThrowingTaskGroup(of: [ClaimedJob].self) { group in
            for _ in 0..<6 {
                let queue = try await bench.otherQueue()
                group.addTask {
                    var mine: [ClaimedJob] = []
                    while true {
                        let more = try await queue.claim(model: "tiny", queues: ["default"], capacity: 3)
                        if more.isEmpty { return mine }
                        mine += more
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(claimed.count == total)
        #expect(Set(claimed.map(\.run)).count == total && Set(claimed.map(\.claimToken)).count == total)
    }

    @Test("a job's row that a client holds open stalls neither claiming others nor any heartbeat")
    func clientsTransaction() async throws {
        let bench = try await QueueBench()
        let running = try await bench.generate()
        let claim = try await bench.claimOne()
        let waiting = try await bench.generate()
        let free = try await bench.generate()
        // a client cancels both and does not commit
        try await bench.client.query("BEGIN")
        try await bench.client.query("SELECT janus.cancel($1), janus.cancel($2)", [.int(running), .int(waiting)])
        let report = RunReport(run: claim.run, claimToken: claim.claimToken, progress: .start)
        let reply = try await bench.queue.renew([report])
        #expect(reply.lost.isEmpty && reply.cancelRequested.isEmpty)
        #expect(try await bench.claim(5).map(\.run.job) == [free])
        #expect(try await bench.queue.releaseUnknown(inMemory: [claim.run]).map(\.job) == [free])
        try await bench.client.query("COMMIT")
        #expect(try await bench.queue.renew([report]).cancelRequested == [claim.run])
    }

    @Test("a client's open transaction that cancels, retries and redelivers its running jobs delays no end of theirs")
    func clientsCallsOnRunningJobs() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        try await bench.client.query("SELECT janus.retry($1)", [.int(id)])
        let claim = try await bench.claimOne()
        try await bench.client.query("BEGIN")
        let states = try await bench.client.query(
            "SELECT janus.retry($1) AS retried, janus.cancel($1) AS canceled", [.int(id)]
        ).row
        #expect(try states.text("retried") == "running" && states.text("canceled") == "running")
        try await bench.client.query("SELECT janus.redeliver(id) FROM janus.webhook_deliveries")
        #expect(try await bench.queue.finish(claim, QueueBench.result()) == .recorded(.succeeded))
        try await bench.client.query("COMMIT")
        #expect(try await bench.state(id) == "succeeded")
        #expect(try await bench.count("janus_private.webhook_delivery") == 2)
    }
}
