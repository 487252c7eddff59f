import Foundation
import JanusPostgres
import JanusQueue
import TestSupport
import Testing

/// What an end-to-end test needs: a fresh database with a client role, a receiver, and daemons on both.
///
/// Leases are short so that take-overs need not be waited for; the checkpoint is the small random one.
struct Stage {
    static let leaseSeconds = 2.0

    let database: TestDatabase
    let receiver: HTTPReceiver
    /// Connected as a role in janus_client.
    let client: PostgresConnection
    /// Connected as superuser, to look behind the functions.
    let inspector: PostgresConnection

    static func make(database: TestDatabase? = nil) async throws -> Stage {
        let database = if let database { database } else { try await TestPostgres.database() }
        let inspector = try await database.connect()
        // the receiver speaks http on loopback
        try await inspector.query("SELECT janus.configure('allow_http', 'on')")
        return Stage(
            database: database, receiver: try await HTTPReceiver.room(), client: try await database.client("alice"),
            inspector: inspector)
    }

    /// `janusd serve`, started.
    /// - Parameters:
    ///   - changes: override its settings; an empty one leaves it out.
    ///   - arguments: more of `serve`.
    ///   - errors: what the shell is told of its standard error; nil: it becomes the log.
    ///   - descriptors: RLIMIT_NOFILE; nil is that of the tests.
    ///   - group: nil is that of the tests.
    func startDaemon(
        _ changes: [String: String] = [:], arguments: [String] = [], errors: String? = nil, descriptors: Int? = nil,
        in group: PidsGroup? = nil
    ) throws -> DaemonProcess {
        var environment = [
            "JANUSD_DATABASE_DSN": database.daemonDSN,
            "JANUSD_MODELS": "tiny=" + Reference.file("Reference/tiny/hf"),
            "JANUSD_WORKERS_THREADS": "1",
            "JANUSD_LOG_LEVEL": "debug",
            "JANUSD_LEASE_SECONDS": "\(Self.leaseSeconds)",
            "JANUSD_PROGRESS_SECONDS": "0.2",
            "JANUSD_RETRY_FIRST_SECONDS": "0.2",
            "JANUSD_NETWORK_ALLOW_HTTP": "true",
            "JANUSD_NETWORK_ALLOW": "127.0.0.0/8",
        ]
        environment.merge(changes) { _, new in new }
        environment = environment.filter { !$0.value.isEmpty }
        let janusd = try Reference.executable("janusd")
        let limits =
            (descriptors.map { ["ulimit -n \($0)"] } ?? []) + (group.map { ["echo $$ >\($0.processes)"] } ?? [])
        let serve = "exec \"$0\" serve \"$@\"" + (errors.map { " 2" + $0 } ?? "")
        return try DaemonProcess(
            URL(filePath: "/bin/bash"),
            ["-c", (limits + [serve]).joined(separator: " && "), janusd.path] + arguments,
            environment: environment)
    }

    /// A daemon whose workers have loaded the model.
    func readyDaemon(
        _ changes: [String: String] = [:], descriptors: Int? = nil, in group: PidsGroup? = nil
    ) async throws -> DaemonProcess {
        let daemon = try startDaemon(changes, descriptors: descriptors, in: group)
        try await daemon.waitForLog("worker ready")
        try await daemon.waitForLog("database connected")
        return daemon
    }

    /// Runs a statement that returns one job id, as the client.
    func enqueue(_ call: String, _ parameters: [PostgresValue] = []) async throws -> Int64 {
        try await client.query("SELECT \(call) AS id", parameters).row.int64("id")
    }

    /// - Parameter reader: who asks, where that is not `client`.
    func status(_ job: Int64, as reader: PostgresConnection? = nil) async throws -> PostgresRow {
        try await (reader ?? client).query(
            """
            SELECT state, phase, attempt, progress::float8 AS progress, text, error ->> 'code' AS code,
                error ->> 'message' AS message, outputs -> 0 ->> 'sha256' AS sha256,
                jsonb_array_length(coalesce(outputs, '[]')) AS output_count
            FROM janus.status($1)
            """, [.int(job)]
        ).row
    }

    /// Waits for a state; an earlier end of another kind is an error that shows the job.
    func wait(
        _ job: Int64, for state: String, seconds: Double = 60, as reader: PostgresConnection? = nil
    ) async throws {
        var last = ""
        do {
            try await waitUntil("job \(job) is \(state)", seconds: seconds) {
                let row = try await status(job, as: reader)
                last = "\(try row.text("state")): \(try row.textIfAny("message") ?? "")"
                return try row.text("state") == state
            }
        } catch { throw WaitingError("\(error); it is \(last)") }
    }

    /// The attempts of a job, as `outcome` or `outcome code`, in order.
    func attempts(_ job: Int64) async throws -> [String] {
        let result = try await client.query(
            """
            SELECT concat_ws(' ', coalesce(outcome, 'open'), error ->> 'code') AS attempt
            FROM janus.attempts WHERE job = $1 ORDER BY run_lease
            """, [.int(job)])
        return try result.rows.map { try $0.text("attempt") }
    }

    /// A job in the hands of a stopped worker, so that it stays where it is until the worker is continued or killed.
    /// - Returns: the job and the worker's process.
    func heldJob(_ daemon: DaemonProcess, _ more: String = "") async throws -> (job: Int64, worker: Int32) {
        let worker = try #require(daemon.children.first)
        kill(worker, SIGSTOP)
        let job = try await enqueue("janus.generate('a red fox', seed => 1\(more))")
        // a claim is not yet the worker's: until it is sent, a crash is none of its doing
        try await daemon.waitForLog("job sent to its worker job=\(job) ")
        return (job, worker)
    }
}
