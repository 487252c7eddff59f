package import Foundation
package import JanusJob
import JanusPostgres

/// Arguments of an enqueue call, as `janus.generate` and its sisters name and default them: nil leaves one out.
package struct EnqueueOptions: Sendable {
    package var seed: Int64?
    package var temperature: Double?
    package var priority: Int?
    package var idempotencyKey: String?
    package var webhookURL: String?
    package var uploadTo: [String]?
    package var model: String?
    package var queue: String?

    package init() {}
}

/// A client of the queue, for the command line: it calls the public functions as anybody would, with the rights of the
/// role that it connects as.
package struct JobClient: Sendable {
    private let pool: PostgresPool

    package init(dsn: String) throws(QueueError) {
        do {
            pool = PostgresPool(
                address: try PostgresAddress(dsn: dsn), options: PostgresOptions(applicationName: "janusd client"),
                connectionsMax: 1)
        } catch { throw .database(error) }
    }

    /// - Returns: the job's id.
    package func generate(
        prompt: String, images: Int? = nil, cfgWeight: Double? = nil, format: String? = nil,
        options: EnqueueOptions = EnqueueOptions()
    ) async throws(QueueError) -> Int64 {
        var call = Call("janus.generate")
        call.add("prompt", "text", .text(prompt))
        call.add("images", "int", images.map { .int($0) })
        call.add("cfg_weight", "real", cfgWeight.map { .double($0) })
        call.add("format", "text", format.map { .text($0) })
        return try await enqueue(&call, options)
    }

    /// - Parameter prompt: may be empty if there is a picture.
    /// - Returns: the job's id.
    package func understand(
        prompt: String, imageURLs: [String] = [], imageData: [Data] = [], maxTokens: Int? = nil,
        options: EnqueueOptions = EnqueueOptions()
    ) async throws(QueueError) -> Int64 {
        var call = Call("janus.understand")
        call.add("prompt", "text", .text(prompt))
        call.add("image_urls", "text[]", .texts(imageURLs))
        call.addBytes("image_data", imageData)
        call.add("max_tokens", "int", maxTokens.map { .int($0) })
        return try await enqueue(&call, options)
    }

    private func enqueue(_ call: inout Call, _ options: EnqueueOptions) async throws(QueueError) -> Int64 {
        call.add("seed", "bigint", options.seed.map { .int($0) })
        call.add("temperature", "real", options.temperature.map { .double($0) })
        call.add("priority", "int", options.priority.map { .int($0) })
        call.add("idempotency_key", "text", options.idempotencyKey.map { .text($0) })
        call.add("webhook_url", "text", options.webhookURL.map { .text($0) })
        call.add("upload_to", "text[]", options.uploadTo.map { .texts($0) })
        call.add("model", "text", options.model.map { .text($0) })
        call.add("queue", "text", options.queue.map { .text($0) })
        let row = try await only(call.sql, call.values)
        return try decode { () throws(PostgresError) in try row.int64("result") }
    }

    /// The row of `janus.status` as JSON; nil: no such job, or not yours.
    package func status(_ job: Int64) async throws(QueueError) -> JobStatus? {
        let result = try await query("SELECT to_jsonb(s)::text AS status FROM janus.status($1) AS s", [.int(job)])
        guard let row = result.rows.first else { return nil }
        return try decode { () throws(PostgresError) in
            var status = try row.json("status", as: JobStatus.self)
            status.json = try row.text("status")
            return status
        }
    }

    /// - Returns: the state that results for now.
    package func cancel(_ job: Int64) async throws(QueueError) -> String {
        let row = try await only("SELECT janus.cancel($1) AS result", [.int(job)])
        return try decode { () throws(PostgresError) in try row.text("result") }
    }

    /// The role's current secret, `whsec_…`.
    package func webhookSecret(rotate: Bool = false) async throws(QueueError) -> String {
        let row = try await only("SELECT janus.\(rotate ? "rotate_webhook_secret" : "webhook_secret")() AS result", [])
        return try decode { () throws(PostgresError) in try row.text("result") }
    }

    private func query(_ sql: String, _ values: [PostgresValue]) async throws(QueueError) -> PostgresResult {
        do {
            return try await pool.withConnection { connection throws(PostgresError) in
                try await connection.query(sql, values)
            }
        } catch { throw .database(error) }
    }

    private func only(_ sql: String, _ values: [PostgresValue]) async throws(QueueError) -> PostgresRow {
        let result = try await query(sql, values)
        return try decode { () throws(PostgresError) in try result.row }
    }

    private func decode<Value>(_ body: () throws(PostgresError) -> Value) throws(QueueError) -> Value {
        do { return try body() } catch { throw .database(error) }
    }
}

/// What `janus.status` says; `json` is all of it.
package struct JobStatus: Decodable, Sendable {
    package var id: Int64
    package var state: JobState
    package var phase: JobPhase?
    /// 0 to 100.
    package var progress: Double?
    package var queuePosition: Int?
    package var json = ""

    private enum CodingKeys: String, CodingKey {
        case id, state, phase, progress
        case queuePosition = "queue_position"
    }
}

/// A call with named arguments, those that are given.
private struct Call {
    private let function: String
    private var arguments: [String] = []
    private(set) var values: [PostgresValue] = []

    init(_ function: String) { self.function = function }

    var sql: String { "SELECT \(function)(\(arguments.joined(separator: ", "))) AS result" }

    mutating func add(_ name: String, _ type: String, _ value: PostgresValue?) {
        guard let value else { return }
        values.append(value)
        arguments.append("\(name) => $\(values.count)::\(type)")
    }

    /// Each element as a parameter of its own, in binary form.
    mutating func addBytes(_ name: String, _ elements: [Data]) {
        guard !elements.isEmpty else { return }
        let places = elements.indices.map { "$\(values.count + 1 + $0)::bytea" }
        values += elements.map { .bytes($0) }
        arguments.append("\(name) => ARRAY[\(places.joined(separator: ", "))]")
    }
}
