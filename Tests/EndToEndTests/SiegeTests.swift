import Foundation
import JanusPostgres
import TestSupport
import Testing

/// One client attacks, another one's jobs and webhooks are measured. A function a siege: `Deploy/siege NAME` runs it at full
/// size.
@Suite(.serialized) struct SiegeTests {
    /// Of the waits for the victim, a second; on a busy machine the rest is not ours.
    private static let delaySecondsMax = 1.0

    private func daemon(
        _ stage: Stage, _ changes: [String: String] = [:], descriptors: Int? = nil, in group: PidsGroup? = nil
    ) async throws -> DaemonProcess {
        let pack = ["JANUSD_MODELS": "tiny=" + (try TinyPack.path("int8")), "JANUSD_LOG_LEVEL": "info"]
        return try await stage.readyDaemon(pack.merging(changes) { $1 }, descriptors: descriptors, in: group)
    }

    @Test("uploads to a receiver that hangs: another client's jobs go on, and descriptors suffice")
    func hangingUploads() async throws {
        try await uploadsHang("hangingUploads", in: nil)
    }

    @Test(
        "the same where few threads are allowed, as by systemd's TasksMax",
        .enabled(
            if: PidsGroup.isAvailable,
            "this machine's control groups do not let tests bound threads: root, version 1 and pids"))
    func fewThreads() async throws {
        let group = try PidsGroup(most: 72)
        try await uploadsHang("fewThreads", in: group)
        #expect(try group.refusals == 0, "threads were refused")
        try await group.remove()
    }

    private func uploadsHang(_ name: String, in group: PidsGroup?) async throws {
        let siege = Siege(name: name, samples: Siege.size(small: 8, full: 100))
        let limit = 256
        let stage = try await Stage.make()
        let daemon = try await daemon(stage, descriptors: limit, in: group)
        let mallory = try await stage.database.client("mallory")
        let count = Siege.size(small: 60, full: 2500)
        let place = [PostgresValue.text(stage.receiver.url("/put/alice/"))]
        func aliceRuns(_ number: Int) async throws {
            let job = try await stage.enqueue("janus.understand('Hi', max_tokens => 2, upload_to => ARRAY[$1])", place)
            try await stage.wait(job, for: "succeeded")
        }
        let before = try await siege.measure("before", aliceRuns)
        let (during, descriptors, threads) = try await greatestUse(of: daemon.pid) {
            try await mallory.query(
                """
                SELECT janus.understand('Hi', max_tokens => 2, upload_to => ARRAY[$1 || n || '/'])
                FROM generate_series(1, $2::int) AS n
                """, [.text(stage.receiver.url("/hang/")), .int(count)])
            _ = try await stage.receiver.waitForRequests("/hang/")
            return try await siege.measure("during", aliceRuns)
        }
        siege.say("during", "\(descriptors) of \(limit) descriptors, \(threads) threads at most")
        #expect(during.p99 <= before.p99 + Self.delaySecondsMax)
        #expect(descriptors <= limit * 4 / 5)
        // no job of the attacker is lost either: each waits or hangs, and ends when it is told to
        let states = try await stage.inspector.query(
            """
            SELECT count(*) FILTER (WHERE state = 'queued') AS queued, count(*) FILTER (WHERE state = 'running') AS running,
                count(*) AS all
            FROM janus_private.job WHERE owner = $1::regrole
            """, [.text(stage.database.roleName("mallory"))]
        ).row
        let (queued, running) = (try states.int("queued"), try states.int("running"))
        let all = try states.int("all")
        siege.say("during", "the attacker's jobs: \(queued) queued, \(running) running")
        #expect(queued + running == count && all == count)
        // its share of deliveries, and what was in the worker when that was reached
        #expect(running >= 2 && running <= 24, "\(running) deliveries hang at once")
        try await mallory.query("SELECT janus.cancel(id) FROM janus.jobs WHERE state IN ('queued', 'running')")
        try await waitUntil("all of the attacker's jobs are canceled") {
            try await mallory.query("SELECT count(*) AS n FROM janus.jobs WHERE state = 'canceled'").row.int("n")
                == count
        }
        let after = try await siege.measure("after", aliceRuns)
        #expect(after.p99 <= before.p99 + Self.delaySecondsMax)
        #expect(daemon.isRunning, "\(daemon.log.suffix(4000))")
        daemon.signal(SIGKILL)
    }

    @Test("webhooks to a receiver that hangs: another client's are called at once, and cost the attacker no attempts")
    func hangingWebhooks() async throws {
        let siege = Siege(name: "hangingWebhooks", samples: Siege.size(small: 8, full: 100))
        let stage = try await Stage.make()
        let daemon = try await daemon(stage, ["JANUSD_WEBHOOK_SECONDS": "4"])
        let mallory = try await stage.database.client("mallory")
        let count = Siege.size(small: 60, full: 500)
        var calls = 0
        func aliceIsCalled(_ number: Int) async throws {
            calls += 1
            let path = "/hook/\(calls)."
            try await stage.client.query(
                "SELECT janus.cancel(janus.generate('a', run_at => now() + interval '1 hour', webhook_url => $1))",
                [.text(stage.receiver.url(path))])
            _ = try await stage.receiver.waitForRequests(path)
        }
        let before = try await siege.measure("before", aliceIsCalled)
        try await mallory.query(
            """
            SELECT janus.cancel(janus.generate('a', run_at => now() + interval '1 hour', webhook_url => $1))
            FROM generate_series(1, $2::int)
            """, [.text(stage.receiver.url("/hang/")), .int(count)])
        _ = try await stage.receiver.waitForRequests("/hang/", count: 2)
        let during = try await siege.measure("during", aliceIsCalled)
        #expect(during.p99 < Self.delaySecondsMax + (Siege.isFull ? 0 : before.p99))
        // until the receiver is left alone
        try await waitUntil("calls of the attacker end without an answer") {
            try await mallory.query("SELECT sum(attempts) AS n FROM janus.webhook_deliveries").row.int("n") >= 5
        }
        let after = try await siege.measure("after", aliceIsCalled)
        #expect(after.p99 < before.p99 + Self.delaySecondsMax)
        let row = try await mallory.query(
            """
            SELECT count(*) FILTER (WHERE state = 'pending') AS pending, sum(attempts) AS attempts
            FROM janus.webhook_deliveries
            """
        ).row
        siege.say(
            "after", "the attacker's webhooks: \(try row.int("pending")) pending, \(try row.int("attempts")) calls made"
        )
        #expect(try row.int("pending") == count)
        #expect(try row.int("attempts") < count / 2)
        #expect(daemon.isRunning)
    }

    @Test("pictures from a server that drips: another client's jobs get places at once")
    func drippingInputs() async throws {
        // as many as it may have
        try await picturesDrip("drippingInputs", of: ["mallory"], jobs: 8, fetchedAtOnce: 4)
    }

    @Test("the same with one place, and two who have slow pictures")
    func drippingInputsOnePlace() async throws {
        try await picturesDrip("drippingInputsOnePlace", of: ["mallory", "trudy"], jobs: 1, fetchedAtOnce: 2)
    }

    private func picturesDrip(_ name: String, of attackers: [String], jobs: Int, fetchedAtOnce: Int) async throws {
        let siege = Siege(name: name, samples: Siege.size(small: 8, full: 100))
        let stage = try await Stage.make()
        let daemon = try await daemon(stage, ["JANUSD_INPUT_SECONDS": "600", "JANUSD_WORKERS_JOBS": "\(jobs)"])
        let picture = [PostgresValue.text(stage.receiver.url("/image/red.png"))]
        func aliceAsks(_ number: Int) async throws {
            let call = "janus.understand('What is it?', image_urls => ARRAY[$1], max_tokens => 2)"
            try await stage.wait(try await stage.enqueue(call, picture), for: "succeeded")
        }
        let before = try await siege.measure("before", aliceAsks)
        var clients: [PostgresConnection] = []
        for attacker in attackers {
            clients.append(try await stage.database.client(attacker))
            try await clients[clients.count - 1].query(
                """
                SELECT janus.understand('What is it?', image_urls => ARRAY[$1], max_tokens => 2)
                FROM generate_series(1, $2::int)
                """, [.text(stage.receiver.url("/slow")), .int(Siege.size(small: 40, full: 400))])
        }
        _ = try await stage.receiver.waitForRequests("/slow", count: fetchedAtOnce)
        let during = try await siege.measure("during", aliceAsks)
        #expect(during.p99 <= before.p99 + Self.delaySecondsMax)
        let fetched = try stage.receiver.requests("/slow").count
        #expect(fetched == fetchedAtOnce, "\(fetched) pictures of the attackers are fetched at once")
        for client in clients {
            try await client.query("SELECT janus.cancel(id) FROM janus.jobs WHERE state IN ('queued', 'running')")
            try await waitUntil("the attacker's jobs are canceled") {
                try await client.query("SELECT count(*) AS n FROM janus.jobs WHERE state <> 'canceled'").row.int("n")
                    == 0
            }
        }
        let after = try await siege.measure("after", aliceAsks)
        #expect(after.p99 <= before.p99 + Self.delaySecondsMax)
        #expect(daemon.isRunning)
    }

    @Test("four who do it all at once: another client's picture, upload and webhook go through")
    func allAtOnce() async throws {
        let siege = Siege(name: "allAtOnce", samples: Siege.size(small: 8, full: 100))
        let limit = 256
        let stage = try await Stage.make()
        let daemon = try await daemon(stage, ["JANUSD_INPUT_SECONDS": "600"], descriptors: limit)
        func url(_ path: String) -> PostgresValue { .text(stage.receiver.url(path)) }
        // the attackers' receivers are theirs alone
        func alices(_ path: String) -> PostgresValue {
            .text(stage.receiver.url(path).replacing("//127.0.0.1", with: "//localhost"))
        }
        var calls = 0
        func aliceRuns(_ number: Int) async throws {
            calls += 1
            let hook = "/hook/\(calls)."
            let job = try await stage.enqueue(
                """
                janus.understand('What is it?', image_urls => ARRAY[$1], max_tokens => 2, upload_to => ARRAY[$2],
                    webhook_url => $3)
                """, [alices("/image/red.png"), alices("/put/alice/"), alices(hook)])
            _ = try await stage.receiver.waitForRequests(hook)
            try await stage.wait(job, for: "succeeded")
        }
        let before = try await siege.measure("before", aliceRuns)
        var attackers: [PostgresConnection] = []
        let (during, descriptors, threads) = try await greatestUse(of: daemon.pid) {
            for name in ["mallory", "trudy", "eve", "oscar"] {
                let attacker = try await stage.database.client(name)
                attackers.append(attacker)
                // whoever has its share of uploads gets no other jobs claimed, so each does one of the two
                let (call, place) =
                    ["mallory", "trudy"].contains(name)
                    ? ("janus.understand('Hi', max_tokens => 2, upload_to => ARRAY[$1])", url("/hang/\(name)/"))
                    : ("janus.understand('Hi', max_tokens => 2, image_urls => ARRAY[$1])", url("/slow"))
                try await attacker.query(
                    "SELECT \(call) FROM generate_series(1, $2::int)",
                    [place, .int(Siege.size(small: 30, full: 1250))])
                try await attacker.query(
                    """
                    SELECT janus.cancel(janus.generate('a', run_at => now() + interval '1 hour', webhook_url => $1))
                    FROM generate_series(1, $2::int)
                    """, [url("/hang/hook/\(name)/"), .int(Siege.size(small: 20, full: 125))])
            }
            for path in ["mallory/", "trudy/", "hook/mallory/", "hook/trudy/", "hook/eve/", "hook/oscar/"] {
                _ = try await stage.receiver.waitForRequests("/hang/" + path)
            }
            _ = try await stage.receiver.waitForRequests("/slow", count: 2)
            return try await siege.measure("during", aliceRuns)
        }
        siege.say("during", "\(descriptors) of \(limit) descriptors, \(threads) threads at most")
        #expect(during.p99 <= before.p99 + Self.delaySecondsMax)
        #expect(descriptors <= limit * 4 / 5)
        for attacker in attackers {
            try await attacker.query("SELECT janus.cancel(id) FROM janus.jobs WHERE state IN ('queued', 'running')")
        }
        let after = try await siege.measure("after", aliceRuns)
        #expect(after.p99 <= before.p99 + Self.delaySecondsMax)
        let mine = try await stage.client.query(
            "SELECT count(*) FILTER (WHERE state <> 'succeeded') AS failed, max(attempt) AS attempts FROM janus.jobs"
        ).row
        #expect(try mine.int("failed") == 0 && mine.int("attempts") == 1)
        #expect(daemon.isRunning, "\(daemon.log.suffix(4000))")
    }
}
