import Foundation
import JanusJob
import JanusPostgres

/// The daemon's side of the queue: all SQL that it speaks, one method an operation.
///
/// Every write of a claim carries its token, so a host that lost its lease changes nothing. Methods throw
/// `.database` when the server is away; all may be called again then.
package final class JobQueue: Sendable {
    package let options: QueueOptions
    let pool: PostgresPool

    /// Connects when first used.
    /// - Throws: `.database(.invalidDSN)`.
    package init(dsn: String, options: QueueOptions, connections: Int = 4) throws(QueueError) {
        self.options = options
        do {
            self.pool = PostgresPool(
                address: try PostgresAddress(dsn: dsn),
                options: PostgresOptions(
                    applicationName: "janusd \(options.hostName)", statementSeconds: options.statementSeconds),
                connectionsMax: connections)
        } catch { throw .database(error) }
    }

    /// Where it connects to, without the password.
    package var target: String { pool.address.description }

    func onConnection<Value>(_ body: (PostgresConnection) async throws(PostgresError) -> Value)
        async throws(QueueError) -> Value
    {
        do { return try await pool.withConnection(body) } catch { throw .database(error) }
    }

    /// - Parameter body: runs a second time, without NOTIFY, where the first time PostgreSQL had no room for one.
    func inTransaction<Value>(_ body: (PostgresConnection) async throws(PostgresError) -> Value)
        async throws(QueueError) -> Value
    {
        try await onConnection { connection throws(PostgresError) in
            do throws(PostgresError) {
                return try await connection.withTransaction { () throws(PostgresError) in try await body(connection) }
            } catch {
                guard error.sqlState == tooManyNotifications else { throw error }
                // Whoever fills the server's one queue of notifications keeps others from being woken, and from nothing else.
                return try await connection.withTransaction { () throws(PostgresError) in
                    try await connection.query("SELECT set_config('janus.notify', 'off', true)")
                    return try await body(connection)
                }
            }
        }
    }

    @discardableResult
    func query(_ sql: String, _ parameters: [PostgresValue] = []) async throws(QueueError) -> PostgresResult {
        try await onConnection { connection throws(PostgresError) in try await connection.query(sql, parameters) }
    }

    func decode<Value>(_ body: () throws(PostgresError) -> Value) throws(QueueError) -> Value {
        do { return try body() } catch { throw .database(error) }
    }
}

/// program_limit_exceeded: at COMMIT, that the queue of notifications is full.
private let tooManyNotifications = "54000"

extension JobRun {
    /// From the columns `job` and `run_lease`.
    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(job: try row.int64("job"), runLease: try row.int64("run_lease"))
    }
}

extension PostgresResult {
    func map<Value>(_ transform: (PostgresRow) throws(PostgresError) -> Value) throws(PostgresError) -> [Value] {
        var values: [Value] = []
        for row in rows { values.append(try transform(row)) }
        return values
    }
}
