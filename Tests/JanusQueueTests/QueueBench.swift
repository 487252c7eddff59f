import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import TestSupport

/// A fresh database with one client and as many daemons as a test wants.
struct QueueBench {
    let database: TestDatabase
    /// In role janus_client.
    let client: PostgresConnection
    let queue: JobQueue
    let superuser: PostgresConnection

    static let model = "tiny"
    static let retryAtOnce = RetryRule(firstDelaySeconds: 0, delaySecondsMax: 0)

    init(retry: RetryRule = QueueBench.retryAtOnce, on release: TestPostgres.Release = .installed) async throws {
        database = try await TestPostgres.database(on: release)
        client = try await database.client("alice")
        superuser = try await database.connect()
        queue = try Self.queue(database, retry: retry)
        try await queue.register(models: [Self.model], queues: ["default"], version: "test")
    }

    static func queue(_ database: TestDatabase, retry: RetryRule = QueueBench.retryAtOnce, dsn: String? = nil) throws
        -> JobQueue
    {
        try JobQueue(
            dsn: dsn ?? database.daemonDSN,
            options: QueueOptions(hostName: "host", leaseSeconds: 30, statementSeconds: 30, retry: retry),
            connections: 2)
    }

    /// Another daemon on the same database.
    func otherQueue(retry: RetryRule = QueueBench.retryAtOnce) async throws -> JobQueue {
        let other = try Self.queue(database, retry: retry)
        try await other.register(models: [Self.model], queues: ["default"], version: "test")
        return other
    }

    /// Enqueues as the client: the arguments of janus.generate in SQL.
    @discardableResult
    func generate(_ arguments: String = "'a red fox'") async throws -> Int64 {
        try await client.query("SELECT janus.generate(\(arguments)) AS id").row.int64("id")
    }

    func claim(_ capacity: Int = 1, queues: [String] = ["default"]) async throws -> [ClaimedJob] {
        try await queue.claim(model: Self.model, queues: queues, capacity: capacity)
    }

    /// Claims the one job that is there.
    func claimOne(by queue: JobQueue? = nil) async throws -> ClaimedJob {
        let claims = try await (queue ?? self.queue).claim(model: Self.model, queues: ["default"], capacity: 1)
        guard let claim = claims.first else { throw BenchError("no job was there to claim") }
        return claim
    }

    func state(_ job: Int64) async throws -> String { try await column("state", job) ?? "gone" }

    /// A column of janus.jobs as text, as the client sees it.
    func column(_ name: String, _ job: Int64) async throws -> String? {
        try await client.query("SELECT (\(name))::text AS value FROM janus.status($1)", [.int(job)]).rows.first?
            .textIfAny("value")
    }

    func count(_ sql: String) async throws -> Int {
        try await superuser.query("SELECT count(*) AS n FROM \(sql)").row.int("n")
    }

    /// Lets time pass for a run: moves its lease into the past.
    func ageLease(_ run: JobRun, seconds: Double) async throws {
        try await superuser.query(
            "UPDATE janus_private.run SET lease_until = lease_until - make_interval(secs => $2::float8) WHERE job = $1",
            [.int(run.job), .double(seconds)])
    }

    static func result(text: String? = nil, outputs: [JobOutput] = []) -> JobOutcome {
        .succeeded(
            JobResult(
                outputs: outputs + (text.map { [stored(JobOutput(text: $0))] } ?? []),
                completion: JobCompletion(
                    finishReason: text == nil ? nil : .stop,
                    usage: JobUsage(promptTokens: 7, outputTokens: 9, images: outputs.count))))
    }

    /// A picture that the row keeps.
    static func output(_ data: Data) -> JobOutput {
        stored(JobOutput(index: 0, format: .image(.png, width: 8, height: 8), data: data))
    }

    private static func stored(_ output: JobOutput) -> JobOutput {
        var output = output
        output.isStored = true
        return output
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
