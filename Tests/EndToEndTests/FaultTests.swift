import Foundation
import JanusPostgres
import TestSupport
import Testing

/// Any process can vanish at any instruction: real processes, real signals, and what the rows say afterwards.
@Suite struct FaultTests {
    @Test("a worker killed in the middle of a job is one failed attempt; the next one finishes it")
    func workerKilled() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let (job, worker) = try await stage.heldJob(daemon)
        kill(worker, SIGKILL)
        try await stage.wait(job, for: "succeeded")
        let attempts = try await stage.attempts(job)
        #expect(attempts == ["failed worker_crashed", "succeeded"])
        #expect(try await stage.status(job).int("attempt") == 2)
    }

    @Test("max_attempts crashes end a job")
    func poison() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let (job, worker) = try await stage.heldJob(daemon, ", max_attempts => 1")
        kill(worker, SIGKILL)
        try await stage.wait(job, for: "failed")
        #expect(try await stage.status(job).text("code") == "worker_crashed")
    }

    @Test("a killed supervisor takes its workers along, and the next one takes its job up after the lease")
    func supervisorKilled() async throws {
        let stage = try await Stage.make()
        let first = try await stage.readyDaemon()
        let (job, worker) = try await stage.heldJob(first)
        first.signal(SIGKILL)
        try await waitUntil("the worker is gone") { kill(worker, 0) != 0 || isZombie(worker) }
        let second = try await stage.readyDaemon()
        try await stage.wait(job, for: "succeeded")
        let attempts = try await stage.attempts(job)
        #expect(attempts == ["lease_expired lease_expired", "succeeded"])
        _ = second
    }

    @Test("a supervisor that was stopped beyond its lease and continued delivers nothing of its old claim")
    func supervisorStopped() async throws {
        let stage = try await Stage.make()
        let first = try await stage.readyDaemon(["JANUSD_HOST_NAME": "first"])
        let worker = try #require(first.children.first)
        kill(worker, SIGSTOP)
        let job = try await stage.enqueue(
            "janus.generate('a red fox', upload_to => ARRAY['db:', $1])", [.text(stage.receiver.url("/put/s/"))])
        try await stage.wait(job, for: "running")
        first.signal(SIGSTOP)
        let second = try await stage.readyDaemon(["JANUSD_HOST_NAME": "second"])
        try await stage.wait(job, for: "succeeded")
        // the worker finishes the old run; its supervisor hears of it only when it goes on
        kill(worker, SIGCONT)
        first.signal(SIGCONT)
        try await first.waitForLog("claim lost")
        let stored = try stage.receiver.requests("/put/s/").map(\.path)
        #expect(stored.count == 1)
        #expect(stored.allSatisfy { $0.contains("/2-0.png") })
        let attempts = try await stage.attempts(job)
        #expect(attempts == ["lease_expired lease_expired", "succeeded"])
        // and it serves on
        second.signal(SIGTERM)
        #expect(try await second.waitForExit() == 0)
        let next = try await stage.enqueue("janus.understand('Hi', max_tokens => 2)")
        try await stage.wait(next, for: "succeeded")
        _ = first
    }

    @Test("what a killed host left in file sinks it sweeps when it is back; what it left elsewhere, the attempt names")
    func orphans() async throws {
        let stage = try await Stage.make()
        let root = try TemporaryDirectory()
        let sink = "file://\(root.path)/"
        try await stage.inspector.query(
            "SELECT janus.grant_upload($1, $2)", [.text(stage.database.roleName("alice")), .text(sink)])
        let settings = ["JANUSD_FILES_ROOT": root.path, "JANUSD_HOST_NAME": "first"]
        let first = try await stage.readyDaemon(settings)
        // the file is written before the receiver hangs
        let hanging = stage.receiver.url("/hang/")
        let job = try await stage.enqueue(
            "janus.generate('a red fox', upload_to => ARRAY[$1, $2])", [.text(sink), .text(hanging)])
        _ = try await stage.receiver.waitForRequests("/hang/")
        let uuid = try await stage.client.query("SELECT uuid::text FROM janus.status($1)", [.int(job)]).row.text("uuid")
        let file = root.path + "/\(uuid)/1-0.png"
        #expect(FileManager.default.fileExists(atPath: file))
        first.signal(SIGKILL)
        let second = try await stage.readyDaemon(settings)
        try await waitUntil("the file is gone") { !FileManager.default.fileExists(atPath: file) }
        let orphans = try await stage.client.query(
            "SELECT to_json(orphans) AS orphans FROM janus.attempts WHERE job = $1 AND run_lease = 1", [.int(job)])
        try await waitUntil("the sweep is recorded") {
            try await stage.client.query(
                "SELECT cardinality(orphans) AS n FROM janus.attempts WHERE job = $1 AND run_lease = 1", [.int(job)]
            ).row.int("n") == 1
        }
        #expect(try orphans.row.json("orphans", as: [String].self).contains("\(hanging)\(uuid)/1-0.png"))
        _ = second
    }

    @Test("two supervisors on one database share the work and never run one job twice")
    func sharing() async throws {
        let stage = try await Stage.make()
        let daemons = [
            try await stage.readyDaemon(["JANUSD_HOST_NAME": "first", "JANUSD_WORKERS_COUNT": "2"]),
            try await stage.readyDaemon(["JANUSD_HOST_NAME": "second", "JANUSD_WORKERS_COUNT": "2"]),
        ]
        var jobs: [Int64] = []
        for seed in 0..<40 { jobs.append(try await stage.enqueue("janus.generate('a fox', seed => \(seed))")) }
        for job in jobs { try await stage.wait(job, for: "succeeded") }
        let row = try await stage.client.query(
            """
            SELECT count(*) AS attempts, count(DISTINCT job) AS jobs, count(DISTINCT daemon) AS daemons,
                count(*) FILTER (WHERE outcome <> 'succeeded') AS others
            FROM janus.attempts
            """
        ).row
        #expect(try row.int("jobs") == 40)
        #expect(try row.int("daemons") == 2)
        #expect(try row.int("attempts") - row.int("others") == 40)
        // a claim beyond the free workers would be handed back; there is none
        #expect(try row.int("others") == 0, "\(daemons[0].log)\n\(daemons[1].log)")
        _ = daemons
    }

    @Test("a job canceled while it runs stops, and its worker is free for the next")
    func cancelRunning() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_POLL_SECONDS": "3600", "JANUSD_PROGRESS_SECONDS": "60"])
        let worker = try #require(daemon.children.first)
        // many pictures take seconds to decode even with this checkpoint
        try await stage.inspector.query("SELECT janus.configure('images_max', '64')")
        let job = try await stage.enqueue("janus.generate('a fox', images => 64)")
        try await waitUntil("the job runs") {
            try await stage.client.query("SELECT phase FROM janus.jobs WHERE state = 'running'").rows.count == 1
        }
        #expect(
            try await stage.client.query("SELECT janus.cancel($1) AS state", [.int(job)]).row.text("state") == "running"
        )
        try await stage.wait(job, for: "canceled")
        #expect(daemon.children.first == worker, "the worker obeyed; it was not killed")
        let next = try await stage.enqueue("janus.understand('Hi', max_tokens => 2)")
        try await stage.wait(next, for: "succeeded")
    }

    @Test("run_timeout ends an attempt whose worker does not answer")
    func runTimeout() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let (job, _) = try await stage.heldJob(daemon, ", run_timeout => '1 s', max_attempts => 1")
        try await stage.wait(job, for: "failed")
        #expect(try await stage.status(job).text("code") == "run_timeout")
        let next = try await stage.enqueue("janus.understand('Hi', max_tokens => 2)")
        try await stage.wait(next, for: "succeeded")
    }

    @Test("SIGTERM finishes what ends within the grace period and claims no more")
    func gracefulStop() async throws {
        let stage = try await Stage.make()
        // a second worker stays free
        let daemon = try await stage.readyDaemon(["JANUSD_WORKERS_COUNT": "2"])
        try await waitUntil("both workers are ready") { daemon.log.split(separator: "worker ready").count > 2 }
        let (job, workers) = try await holdAll([daemon], stage)
        daemon.signal(SIGTERM)
        try await daemon.waitForLog("draining")
        let later = try await stage.enqueue("janus.understand('Hi')")
        for worker in workers { kill(worker, SIGCONT) }
        #expect(try await daemon.waitForExit() == 0)
        #expect(try await stage.status(job).text("state") == "succeeded")
        #expect(try await stage.status(later).text("state") == "queued")
    }

    @Test("when the grace period is over, or SIGTERM comes twice, jobs go back uncharged", arguments: [1, 2])
    func handOver(signals: Int) async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_SHUTDOWN_GRACE_SECONDS": signals == 1 ? "0.5" : "600"])
        let (job, _) = try await stage.heldJob(daemon)
        daemon.signal(SIGTERM)
        try await daemon.waitForLog("draining")
        if signals == 2 { daemon.signal(SIGTERM) }
        #expect(try await daemon.waitForExit() == 0)
        let status = try await stage.status(job)
        #expect(try status.text("state") == "queued")
        #expect(try status.int("attempt") == 0, "\(daemon.log)")
        let attempts = try await stage.attempts(job)
        #expect(attempts == ["released handed_over"])
    }

    @Test("a client's open transaction on its job stalls no heartbeat")
    func openTransaction() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let other = try await stage.readyDaemon()
        // a busy second host would rescue the job if the first one's lease passed
        let (job, workers) = try await holdAll([daemon, other], stage)
        try await stage.inspector.query("BEGIN")
        try await stage.inspector.query("SELECT FROM janus_private.job WHERE id = $1 FOR UPDATE", [.int(job)])
        let before = try await leaseUntil(job, stage)
        try await waitUntil("two leases are renewed") {
            try await leaseUntil(job, stage) > before + 2 * Stage.leaseSeconds
        }
        try await stage.inspector.query("COMMIT")
        for worker in workers { kill(worker, SIGCONT) }
        try await stage.wait(job, for: "succeeded")
        let attempts = try await stage.attempts(job)
        #expect(attempts == ["succeeded"])
    }

    @Test("the database may be away at the start and vanish later")
    func databaseAway() async throws {
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let database = try await server.makeDatabase()
        var daemon: DaemonProcess?
        let setUp = try await Stage.make(database: database)
        await setUp.client.close()
        await setUp.inspector.close()
        try await server.restart {
            let started = try setUp.startDaemon()
            try await started.waitForLog("database not usable")
            daemon = started
        }
        let running = try #require(daemon)
        try await running.waitForLog("database connected")
        let connection = try await database.connect()
        let first = try await connection.query("SELECT janus.understand('Hi', max_tokens => 2) AS id").row.int64("id")
        try await waitForEnd(first, database)
        await connection.close()
        try await server.restart {}
        let again = try await database.connect()
        let second = try await again.query("SELECT janus.understand('Hi', max_tokens => 2) AS id").row.int64("id")
        try await waitForEnd(second, database)
        #expect(running.isRunning)
    }

    private func waitForEnd(_ job: Int64, _ database: TestDatabase) async throws {
        let connection = try await database.connect()
        try await waitUntil("job \(job) succeeds") {
            try await connection.query("SELECT state FROM janus.status($1)", [.int(job)]).row.text("state")
                == "succeeded"
        }
        await connection.close()
    }

    /// One held job on the first daemon, while the workers of all are stopped.
    private func holdAll(_ daemons: [DaemonProcess], _ stage: Stage) async throws -> (job: Int64, workers: [Int32]) {
        let workers = daemons.flatMap(\.children)
        for worker in workers { kill(worker, SIGSTOP) }
        let job = try await stage.enqueue("janus.generate('a red fox', seed => 1)")
        try await stage.wait(job, for: "running")
        return (job, workers)
    }

    /// Seconds since 1970.
    private func leaseUntil(_ job: Int64, _ stage: Stage) async throws -> Double {
        try await stage.inspector.query(
            "SELECT extract(epoch FROM lease_until)::float8 AS until FROM janus_private.run WHERE job = $1", [.int(job)]
        ).row.double("until")
    }

    private func isZombie(_ pid: Int32) -> Bool {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        return text.contains(") Z ")
    }
}
