import Foundation
import JanusPostgres
import TestSupport
import Testing

/// Several jobs in one worker process.
@Suite struct BatchTests {
    private static let calls = [
        "janus.generate('a red fox', seed => 1)",
        "janus.understand('What is 12 + 345?', max_tokens => 12)",
        "janus.generate('two blue birds 猫', images => 3, seed => 2)",
        "janus.understand('Tell a story', max_tokens => 30, temperature => 1, seed => 3)",
        "janus.generate('a red fox', seed => 4, cfg_weight => 1)",
        "janus.generate('a house', seed => 5, format => 'webp')",
        "janus.understand('Hi', max_tokens => 5)",
    ]

    private func daemon(_ stage: Stage, _ changes: [String: String] = [:]) async throws -> DaemonProcess {
        let changes = ["JANUSD_MODELS": "tiny=" + (try TinyPack.path("int8"))].merging(changes) { $1 }
        return try await stage.readyDaemon(changes)
    }

    /// What a job published: texts and hashes.
    private func result(_ job: Int64, _ stage: Stage) async throws -> String {
        try await stage.client.query(
            "SELECT concat_ws(' ', text, (SELECT string_agg(o ->> 'sha256', ' ') FROM jsonb_array_elements(outputs) o)) AS r "
                + "FROM janus.status($1)", [.int(job)]
        ).row.text("r")
    }

    @Test("jobs of both kinds at once in one worker give what each gives alone")
    func together() async throws {
        let stage = try await Stage.make()
        let daemon = try await daemon(stage)
        var expected: [String] = []
        for call in Self.calls {
            let job = try await stage.enqueue(call)
            try await stage.wait(job, for: "succeeded")
            expected.append(try await result(job, stage))
        }
        // while the worker stands still, all of them are handed to it
        let worker = try #require(daemon.children.first)
        kill(worker, SIGSTOP)
        var jobs: [Int64] = []
        for call in Self.calls { jobs.append(try await stage.enqueue(call)) }
        for job in jobs { try await stage.wait(job, for: "running") }
        kill(worker, SIGCONT)
        for (job, result) in zip(jobs, expected) {
            try await stage.wait(job, for: "succeeded")
            #expect(try await self.result(job, stage) == result)
        }
        #expect(daemon.children.first == worker)
    }

    @Test("a worker killed in the middle of a batch hands all of its runs back uncharged; each then runs, alone")
    func killed() async throws {
        let stage = try await Stage.make()
        let daemon = try await daemon(stage)
        try await stage.inspector.query("SELECT janus.configure('images_max', '64')")
        let worker = try #require(daemon.children.first)
        // they begin together, so that none can end before the last is seen to have begun
        kill(worker, SIGSTOP)
        var jobs: [Int64] = []
        for seed in 0..<3 {
            jobs.append(try await stage.enqueue("janus.generate('a fox', images => 64, seed => \(seed))"))
        }
        for job in jobs { try await stage.wait(job, for: "running") }
        // and it moves by a few milliseconds at a time, so that none ends before all are seen in the batch
        try await waitUntil("all of them are in the batch") {
            kill(worker, SIGCONT)
            try await Task.sleep(for: .milliseconds(5))
            kill(worker, SIGSTOP)
            return try await stage.inspector.query(
                "SELECT count(*) AS n FROM janus_private.run WHERE phase IN ('prefill', 'drawing', 'decoding')"
            ).row.int("n") == 3
        }
        kill(worker, SIGKILL)
        for job in jobs {
            try await stage.wait(job, for: "succeeded", seconds: 120)
            #expect(try await stage.attempts(job) == ["released handed_over", "succeeded"])
            #expect(try await stage.status(job).int("attempt") == 1)
        }
        #expect(
            try await stage.inspector.query("SELECT count(*) AS n FROM janus_private.job WHERE is_suspect").row.int("n")
                == 0)
    }

    @Test("one of several running jobs is canceled; the others go on in the same worker")
    func cancelOne() async throws {
        let stage = try await Stage.make()
        let daemon = try await daemon(stage)
        try await stage.inspector.query("SELECT janus.configure('images_max', '64')")
        let worker = try #require(daemon.children.first)
        let first = try await stage.enqueue("janus.generate('a fox', images => 64, seed => 1)")
        let second = try await stage.enqueue("janus.generate('a fox', images => 64, seed => 2)")
        let third = try await stage.enqueue("janus.understand('Hi', max_tokens => 400)")
        for job in [first, second, third] {
            try await waitUntil("job \(job) runs") { try await stage.status(job).text("state") != "queued" }
        }
        try await stage.client.query("SELECT janus.cancel($1)", [.int(second)])
        try await stage.wait(second, for: "canceled")
        try await stage.wait(third, for: "succeeded")
        try await stage.wait(first, for: "succeeded")
        #expect(daemon.children.first == worker)
        #expect(try await stage.attempts(first) == ["succeeded"])
    }

    @Test("a job for which the worker's memory is too small fails with both figures; others are served")
    func tooLarge() async throws {
        let stage = try await Stage.make()
        let daemon = try await daemon(stage, ["JANUSD_WORKERS_CACHE_MIB": "1"])
        let large = try await stage.enqueue("janus.understand('Hi', max_tokens => 3700)")
        let small = try await stage.enqueue("janus.generate('a fox')")
        try await stage.wait(large, for: "failed")
        let status = try await stage.status(large)
        #expect(try status.text("code") == "memory_exceeded")
        #expect(try status.text("message").contains("1.0 MiB"))
        #expect(try await stage.attempts(large).count == 1)
        try await stage.wait(small, for: "succeeded")
        _ = daemon
    }
}
