import Foundation
import JanusPostgres

extension JobQueue {
    /// Makes this daemon and its models known. Call it at start and after every reconnect.
    /// - Throws: `.schema` if the database is older or newer than what this program serves.
    package func register(models: [String], queues: [String], version: String) async throws(QueueError) {
        try await checkSchema()
        try await inTransaction { connection throws(PostgresError) in
            try await connection.query(
                registerSQL,
                [
                    .uuid(options.instance), .text(options.hostName), .text(version), .texts(models), .texts(queues),
                    .double(options.leaseSeconds),
                ])
            try await nameDefaultModel(models, connection)
        }
    }

    /// Makes the first of these models the database's default where there is none, and gives it to the jobs that
    /// waited for one. Call it now and then: a job may be enqueued before there was a default and committed after.
    /// - Returns: how many jobs were given it.
    package func nameDefaultModel(_ models: [String]) async throws(QueueError) -> Int {
        try await onConnection { connection throws(PostgresError) in try await nameDefaultModel(models, connection) }
    }

    @discardableResult
    private func nameDefaultModel(_ models: [String], _ connection: PostgresConnection)
        async throws(PostgresError) -> Int
    {
        guard let first = models.first else { return 0 }
        return try await connection.query("SELECT janus_private.ensure_default_model($1) AS named", [.text(first)])
            .row.int("named")
    }

    /// Says of which of this daemon's models no worker starts, and why.
    package func report(failedModels: [String: String]) async throws(QueueError) {
        _ = try await onConnection { connection throws(PostgresError) in
            try await connection.query(
                reportFailuresSQL, [.uuid(options.instance), try .json(failedModels)])
        }
    }

    /// Models that have failed on daemons that are alive.
    package func failedModels() async throws(QueueError) -> [FailedModel] {
        let result = try await query(failedModelsSQL)
        return try decode { () throws(PostgresError) in
            try result.map { row throws(PostgresError) in
                FailedModel(
                    host: try row.text("host"), model: try row.text("model"), reason: try row.text("reason"))
            }
        }
    }

    /// Takes this daemon off the list; its runs must be over.
    package func deregister() async throws(QueueError) {
        try await query("DELETE FROM janus_private.daemon WHERE instance = $1", [.uuid(options.instance)])
    }

    /// Whether this program and the database's schema fit, and the database is the one to be served.
    /// - Throws: `.schema`, `.notAdopted`.
    package func checkSchema() async throws(QueueError) {
        let found: Int?
        do {
            let result = try await query("SELECT max(version) AS version FROM janus_private.schema_migration")
            found = try decode { () throws(PostgresError) in try result.row.intIfAny("version").map { Int($0) } }
        } catch {
            // undefined_table, invalid_schema_name
            guard case .database(let reason) = error, ["42P01", "3F000"].contains(reason.sqlState) else { throw error }
            throw .schema(found: nil)
        }
        guard found == SchemaVersion.current else { throw .schema(found: found) }
        let home = try await query(isHomeSQL)
        guard try decode({ () throws(PostgresError) in try home.row.bool("is_home") }) else { throw .notAdopted }
    }

    /// Asks the server for a sign of life.
    package func ping() async throws(QueueError) { try await query("SELECT 1") }
}

private let isHomeSQL = """
    SELECT EXISTS (
        SELECT FROM janus_private.home h CROSS JOIN pg_control_system() AS c
        WHERE h.system_identifier = c.system_identifier AND h.database = current_database()) AS is_home
    """

private let reportFailuresSQL = """
    UPDATE janus_private.daemon SET failed_models = $2::jsonb WHERE instance = $1 AND failed_models <> $2::jsonb
    """

private let failedModelsSQL = """
    SELECT d.host, f.key AS model, f.value AS reason
    FROM janus_private.daemon d, jsonb_each_text(d.failed_models) AS f
    WHERE d.seen_at > now() - make_interval(secs => d.lease_seconds)
    ORDER BY d.host, f.key
    """

/// The daemon's row, and a row for each of its models.
private let registerSQL = """
    WITH model AS (
        INSERT INTO janus_private.model (name) SELECT DISTINCT unnest($4::text[])
        ON CONFLICT (name) DO NOTHING
    )
    INSERT INTO janus_private.daemon (instance, host, version, models, queues, lease_seconds)
    VALUES ($1, $2, $3, $4::text[], $5::text[], $6)
    ON CONFLICT (instance) DO UPDATE SET
        host = excluded.host, version = excluded.version, models = excluded.models, queues = excluded.queues,
        lease_seconds = excluded.lease_seconds, seen_at = now()
    """
