import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Fencing and recovery")
struct FenceTests {
    private func report(_ claim: ClaimedJob, phase: JobPhase = .drawing) -> RunReport {
        RunReport(
            run: claim.run, claimToken: claim.claimToken,
            progress: JobProgress(phase: phase, stepsDone: 3, stepsTotal: 4))
    }

    @Test("a host whose lease was taken writes nothing more, whatever it tries")
    func staleToken() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        let stale = try await bench.claimOne()
        try await bench.ageLease(stale.run, seconds: 3600)
        let other = try await bench.otherQueue()
        #expect(try await other.rescue() == [stale.run])
        #expect(try await bench.queue.renew([report(stale)]).lost == [stale.run])
        let outcomes: [JobOutcome] = [
            QueueBench.result(outputs: [QueueBench.output(Data([1]))]), .failed(JobError(.invalidImage, "x")),
            .canceled,
            .released(reason: "x"),
        ]
        for outcome in outcomes {
            #expect(try await bench.queue.finish(stale, outcome) == .lost)
        }
        #expect(try await bench.state(id) == "queued")

        let fresh = try await bench.claimOne(by: other)
        #expect(fresh.run.runLease == 2 && fresh.attempt == 2)
        for outcome in outcomes {
            #expect(try await bench.queue.finish(stale, outcome) == .lost)
        }
        #expect(try await bench.queue.renew([report(stale)]).lost == [stale.run])
        #expect(try await bench.column("progress", id) == "0.0")
        // the right lease with a wrong token is as good as none
        var forged = fresh
        forged.claimToken = UUID()
        #expect(try await other.finish(forged, outcomes[0]) == .lost)
        #expect(try await other.finish(fresh, outcomes[0]) == .recorded(.succeeded))
        // also once it is over: the result is another claim's
        #expect(try await other.finish(forged, outcomes[0]) == .lost)
        #expect(try await bench.count("janus_private.output") == 1)
        #expect(try await bench.count("janus_private.webhook_delivery") == 1)
        #expect(try await bench.column("error", id) == nil)
    }

    @Test("a run that carries another token is not ended, though the attempt's record is open")
    func foreignRun() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        let claim = try await bench.claimOne()
        try await bench.superuser.query("UPDATE janus_private.run SET claim_token = gen_random_uuid()")
        #expect(try await bench.queue.finish(claim, QueueBench.result()) == .lost)
        #expect(try await bench.state(id) == "running")
    }

    @Test("a finish whose acknowledgement is lost after COMMIT is recognised as done", arguments: 0..<4)
    func lostAcknowledgement(_ which: Int) async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        let proxy = try CuttingProxy(to: bench.database.server.port)
        let queue = try QueueBench.queue(
            bench.database, dsn: bench.database.server.dsn(bench.database.name, user: "test_daemon", port: proxy.port))
        let claim = try await bench.claimOne(by: queue)
        let (outcome, state): (JobOutcome, JobState) = [
            (QueueBench.result(outputs: [QueueBench.output(Data([1]))]), .succeeded),
            (.failed(JobError(.workerCrashed, "x")), .queued), (.canceled, .canceled),
            (.released(reason: "x"), .queued),
        ][which]
        proxy.arm()
        #expect(try await queue.finish(claim, outcome) == .alreadyRecorded(state))
        #expect(proxy.cutCount == 1)
        #expect(try await bench.state(id) == state.rawValue)
        #expect(try await bench.count("janus_private.webhook_delivery") == (state.isFinished ? 1 : 0))
        #expect(try await bench.count("janus_private.output") == (which == 0 ? 1 : 0))
        // and once more, as after a restart of the caller's loop
        #expect(try await queue.finish(claim, outcome) == .alreadyRecorded(state))
    }

    @Test("a claim whose acknowledgement is lost goes back uncharged once the host says what it holds")
    func lostClaim() async throws {
        let bench = try await QueueBench()
        let lost = try await bench.generate("'a', max_attempts => 1")
        _ = try await bench.claimOne()  // nobody heard of it
        let kept = try await bench.generate()
        let held = try await bench.claimOne()
        let other = try await bench.otherQueue()
        #expect(try await other.releaseUnknown(inMemory: []).isEmpty)
        #expect(try await bench.queue.releaseUnknown(inMemory: [held.run]).map(\.job) == [lost])
        #expect(try await bench.state(kept) == "running")
        #expect(try await bench.column("state || ' ' || attempt", lost) == "queued 0")
        let record = try await bench.client.query(
            "SELECT outcome || ' ' || (error ->> 'code') AS end FROM janus.attempts WHERE job = $1", [.int(lost)])
        #expect(try record.row.text("end") == "released handed_over")
        #expect(try await bench.claimOne().attempt == 1)
    }

    @Test("rescue takes only what is one full lease past its end, and never the own or the renewed")
    func rescue() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', max_attempts => 2")
        let other = try await bench.otherQueue()
        let claim = try await bench.claimOne()
        #expect(try await other.rescue().isEmpty)
        try await bench.ageLease(claim.run, seconds: 45)  // past its end, but not by a lease of 30 s
        #expect(try await other.rescue().isEmpty)
        try await bench.ageLease(claim.run, seconds: 45)
        #expect(try await bench.queue.rescue().isEmpty)
        _ = try await bench.queue.renew([report(claim)])
        #expect(try await other.rescue().isEmpty)
        try await bench.ageLease(claim.run, seconds: 90)
        #expect(try await other.rescue() == [claim.run])
        #expect(try await bench.column("state || ' ' || (error ->> 'code')", id) == "queued lease_expired")

        let second = try await bench.claimOne()
        #expect(second.attempt == 2)
        try await bench.superuser.query(
            "UPDATE janus_private.run SET started_at = started_at - interval '1 day', lease_until = lease_until - interval '1 day'"
        )
        #expect(try await other.rescue() == [second.run])
        #expect(try await bench.column("state || ' ' || (error ->> 'code')", id) == "failed run_timeout")
        let attempts = try await bench.client.query(
            "SELECT outcome, error ->> 'code' AS code FROM janus.attempts ORDER BY run_lease")
        #expect(
            try attempts.rows.map { row throws(PostgresError) in try row.text("code") } == [
                "lease_expired", "run_timeout",
            ])
    }

    @Test("a rescued job waits for the retry rule's backoff, and stays alone if it was to run alone")
    func rescueBackoff() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        _ = try await bench.queue.finish(bench.claimOne(), .released(reason: "x"), isSuspect: true)
        let claim = try await bench.claimOne()
        #expect(claim.isSuspect)
        try await bench.ageLease(claim.run, seconds: 3600)
        let other = try await bench.otherQueue(
            retry: RetryRule(firstDelaySeconds: 100, delaySecondsMax: 1000, jitterShare: 0))
        #expect(try await other.rescue() == [claim.run])
        #expect(try await bench.column("run_at > now() + '90 s' AND run_at < now() + '110 s'", id) == "true")
        #expect(try await bench.claim().isEmpty)
        try await bench.superuser.query("UPDATE janus_private.job SET due_at = now()")
        let next = try await bench.claimOne()
        #expect(next.attempt == 2 && next.isSuspect)
    }

    @Test("a batch of runs taken back ends each by its own row")
    func mixedBatch() async throws {
        let bench = try await QueueBench()
        let again = try await bench.generate("'a', max_attempts => 2")
        let over = try await bench.generate("'a', max_attempts => 1, webhook_url => 'https://example.org/'")
        let canceled = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        let late = try await bench.generate("'a', run_timeout => '1 s', max_attempts => 1")
        #expect(try await bench.claim(4).count == 4)
        try await bench.client.query("SELECT janus.cancel($1)", [.int(canceled)])
        try await bench.superuser.query(
            "UPDATE janus_private.run SET started_at = started_at - interval '10 s', lease_until = lease_until - interval '1 h'"
        )
        #expect(try await bench.otherQueue().rescue().map(\.job) == [again, over, canceled, late])
        let ends = try await bench.client.query(
            "SELECT state || ' ' || coalesce(error ->> 'code', '-') AS end FROM janus.jobs ORDER BY id")
        #expect(
            try ends.rows.map { row throws(PostgresError) in try row.text("end") } == [
                "queued lease_expired", "failed lease_expired", "canceled -", "failed run_timeout",
            ])
        #expect(try await bench.count("janus_private.run") == 0)
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.failed'") == 1)
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.canceled'") == 1)
    }

    @Test("hand-overs of claims that nobody knows of are bounded like any other")
    func unknownIsBounded() async throws {
        let bench = try await QueueBench()
        try await bench.superuser.query("SELECT janus.configure('handovers_max', '1')")
        let id = try await bench.generate()
        for state in ["queued", "failed"] {
            _ = try await bench.claimOne()
            #expect(try await bench.queue.releaseUnknown(inMemory: []).map(\.job) == [id])
            #expect(try await bench.state(id) == state)
        }
        #expect(try await bench.column("error ->> 'code'", id) == "internal_error")
    }

    @Test("a canceled job whose host died ends as canceled")
    func canceledAndDead() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        let claim = try await bench.claimOne()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        try await bench.ageLease(claim.run, seconds: 3600)
        #expect(try await bench.otherQueue().rescue() == [claim.run])
        #expect(try await bench.state(id) == "canceled")
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.canceled'") == 1)
        // a failure that would have been retried ends so too
        let next = try await bench.generate()
        let running = try await bench.claimOne()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(next)])
        let receipt = try await bench.queue.finish(
            running, .failed(JobError(.workerCrashed, "x")))
        #expect(receipt == .recorded(.canceled))
    }

    @Test("two rescuers take each run once")
    func rescuers() async throws {
        let bench = try await QueueBench()
        try await bench.client.query("SELECT janus.generate('a') FROM generate_series(1, 150)")
        while try await !bench.claim(50).isEmpty {}
        try await bench.superuser.query("UPDATE janus_private.run SET lease_until = lease_until - interval '1 h'")
        let (a, b) = (try await bench.otherQueue(), try await bench.otherQueue())
        @Sendable func all(_ queue: JobQueue) async throws -> [JobRun] {
            var runs: [JobRun] = []
            while case let more = try await queue.rescue(), !more.isEmpty { runs += more }
            return runs
        }
        async let first = all(a)
        async let second = all(b)
        let runs = try await first + second
        #expect(runs.count == 150 && Set(runs).count == 150)
    }

    @Test("a restarted server is survived: renewals go on, and a finish under way is recorded once")
    func serverRestart() async throws {
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let database = try await server.makeDatabase()
        let client = try await database.client("alice")
        let id = try await client.query("SELECT janus.generate('a') AS id").row.int64("id")
        let queue = try QueueBench.queue(database)
        try await queue.register(models: ["tiny"], queues: ["default"], version: "1")
        let claims = try await queue.claim(model: "tiny", queues: ["default"], capacity: 1)
        let claim = try #require(claims.first)
        func serverStart() async throws -> Date {
            let reply = try await queue.renew([report(claim)])
            return reply.serverNow.addingTimeInterval(-reply.serverAgeSeconds)
        }
        let before = try await serverStart()
        try await server.restart {
            let error = await #expect(throws: QueueError.self) { try await queue.renew([report(claim)]) }
            #expect(error?.isConnectionFailure == true)
            await #expect(throws: QueueError.self) {
                try await queue.finish(claim, QueueBench.result())
            }
        }
        try await waitUntil("the queue has a connection again") {
            do { return try await queue.renew([report(claim)]).lost.isEmpty } catch let error as QueueError
                where error.isConnectionFailure
            { return false }
        }
        #expect(try await serverStart() > before.addingTimeInterval(0.01))
        #expect(try await queue.finish(claim, QueueBench.result()) == .recorded(.succeeded))
        let after = try await database.connect(server.dsn(database.name, user: database.roleName("alice")))
        #expect(
            try await after.query("SELECT state FROM janus.status($1)", [.int(id)]).row.text("state") == "succeeded")
    }
}
