package import Foundation
import JanusPostgres

/// One migration, as files and database know it.
package struct MigrationStatus: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        case pending
        case applied(at: Date)
        /// Applied, but its file has another text by now: files are never edited once landed.
        case edited(appliedAt: Date)
        /// Applied by a newer janusd: there is no such file here.
        case unknown(appliedAt: Date)
    }

    package var version: Int
    package var name: String
    package var state: State
}

/// Brings the schema of a database up or down, as the owner role of `Deploy/bootstrap.sql`.
///
/// Each migration is one transaction, all of it under an advisory lock, so several hosts may start it at once.
/// PgBouncer in transaction mode is not enough here.
package struct Migrator: Sendable {
    private let address: PostgresAddress
    private let directory: String

    /// - Parameter directory: the folder `Migrations`.
    package init(dsn: String, directory: String) throws(QueueError) {
        do { self.address = try PostgresAddress(dsn: dsn) } catch { throw .database(error) }
        self.directory = directory
    }

    /// Every migration known to files or database, by number.
    package func status() async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        return try await connected { connection throws(QueueError) in try await read(files, connection) }
    }

    /// Applies what is pending, up to and including `version`; nil: all.
    /// - Returns: what was applied.
    @discardableResult
    package func up(to version: Int? = nil) async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        try check(version, files)
        return try await locked { connection throws(QueueError) in
            let known = try await checked(files, connection)
            let pending = files.filter { known[$0.version - 1].state == .pending && $0.version <= version ?? .max }
            for file in pending { try await apply(file, connection) }
            let after = try await read(files, connection)
            return pending.map { after[$0.version - 1] }
        }
    }

    /// Takes back what was applied after `version`; 0 takes back everything, jobs included.
    /// - Returns: what was taken back, the newest first.
    @discardableResult
    package func down(to version: Int) async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        try check(version, files)
        return try await locked { connection throws(QueueError) in
            let known = try await checked(files, connection)
            let leaving = files.filter { $0.version > version && known[$0.version - 1].state != .pending }.reversed()
            for file in leaving { try await takeBack(file, connection) }
            if version == 0 { try await run(dropHomeSQL, "the last step down", connection) }
            return leaving.map { MigrationStatus(version: $0.version, name: $0.name, state: .pending) }
        }
    }

    // MARK: Steps

    private func apply(_ file: MigrationFile, _ connection: PostgresConnection) async throws(QueueError) {
        try await step(file.up, "\(file.version) (\(file.name))", connection) { () throws(PostgresError) in
            try await connection.query(recordSQL, [.int(file.version), .text(file.name), .text(file.up)])
        }
    }

    private func takeBack(_ file: MigrationFile, _ connection: PostgresConnection) async throws(QueueError) {
        try await step(file.down, "\(file.version) (\(file.name)), down,", connection) { () throws(PostgresError) in
            try await connection.query(
                "DELETE FROM janus_private.schema_migration WHERE version = $1", [.int(file.version)])
        }
    }

    private func step(
        _ script: String, _ label: String, _ connection: PostgresConnection,
        record: () async throws(PostgresError) -> PostgresResult
    ) async throws(QueueError) {
        do {
            try await connection.withTransaction { () throws(PostgresError) in
                try await connection.runScript(script)
                _ = try await record()
            }
        } catch { throw Self.failure(label, error) }
    }

    private func run(_ sql: String, _ label: String, _ connection: PostgresConnection) async throws(QueueError) {
        do { try await connection.runScript(sql) } catch { throw Self.failure(label, error) }
    }

    private static func failure(_ label: String, _ error: PostgresError) -> QueueError {
        guard case .server(let server) = error else { return .database(error) }
        return .migration("migration \(label) failed and changed nothing: \(server)")
    }

    // MARK: What is there

    private func check(_ version: Int?, _ files: [MigrationFile]) throws(QueueError) {
        guard let version, !(0...files.count).contains(version) else { return }
        throw .migration("there is no schema version \(version): these migrations know 0 to \(files.count)")
    }

    /// As `read`, refusing a database that is newer than the files, and files that were edited.
    private func checked(_ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(QueueError) -> [MigrationStatus]
    {
        let known = try await read(files, connection)
        for migration in known {
            switch migration.state {
            case .pending, .applied: continue
            case .edited:
                throw .migration(
                    "migration \(migration.version) (\(migration.name)) was edited after it was applied: take the file as "
                        + "it was, and put changes into a new migration")
            case .unknown:
                throw .migration(
                    "the database has schema version \(known.count), and these migrations know \(files.count) at most: "
                        + "use the janusd that made it, or a newer one")
            }
        }
        return known
    }

    private func read(_ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(QueueError) -> [MigrationStatus]
    {
        var known = files.map { MigrationStatus(version: $0.version, name: $0.name, state: .pending) }
        do {
            guard try await connection.query(hasHomeSQL).row.bool("has_home") else { return known }
            let applied = try await connection.query(appliedSQL, [.texts(files.map(\.up))])
            for row in applied.rows {
                let (version, date) = (try row.int("version"), try row.date("applied_at"))
                if version > known.count {
                    known.append(
                        MigrationStatus(version: version, name: try row.text("name"), state: .unknown(appliedAt: date)))
                } else {
                    known[version - 1].state = try row.bool("is_same") ? .applied(at: date) : .edited(appliedAt: date)
                }
            }
        } catch { throw .database(error) }
        return known
    }

    // MARK: Connection, role and lock

    private func connected<Value: Sendable>(_ body: (PostgresConnection) async throws(QueueError) -> Value)
        async throws(QueueError) -> Value
    {
        let connection: PostgresConnection
        do {
            connection = try await PostgresConnection.connect(
                to: address,
                options: PostgresOptions(applicationName: "janusd migrate", statementSeconds: migrationSecondsMax))
        } catch { throw .database(error) }
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    private func locked(_ body: (PostgresConnection) async throws(QueueError) -> [MigrationStatus])
        async throws(QueueError) -> [MigrationStatus]
    {
        try await connected { connection throws(QueueError) in
            try await becomeOwner(connection)
            do throws(PostgresError) {
                // Held until the connection is closed.
                try await connection.query("SELECT pg_advisory_lock($1)", [.int(migrationLockKey)])
                // Not IF NOT EXISTS alone: that asks for the right to create even when there is nothing to do.
                if try await !connection.query(hasHomeSQL).row.bool("has_home") {
                    try await connection.runScript(makeHomeSQL)
                }
            } catch { throw .database(error) }
            return try await body(connection)
        }
    }

    /// All objects belong to one role, whoever migrates.
    private func becomeOwner(_ connection: PostgresConnection) async throws(QueueError) {
        do throws(PostgresError) {
            let row = try await connection.query(ownerSQL).row
            let (owner, user) = (try row.text("owner"), try row.text("user"))
            guard try row.bool("exists") else {
                throw PostgresError.server(
                    ServerError(
                        sqlState: "42704", message: "role \(owner) does not exist",
                        hint: "let an administrator run Deploy/bootstrap.sql in this database first"))
            }
            guard try row.bool("may") else {
                throw PostgresError.server(
                    ServerError(
                        sqlState: "42501", message: "\(user) may not migrate: it is no member of role \(owner)",
                        hint: "GRANT \(owner) TO \(user)"))
            }
            try await connection.query("SELECT set_config('role', $1, false)", [.text(owner)])
        } catch { throw .database(error) }
    }
}

/// Of janusd's advisory locks, the one of migrating.
private let migrationLockKey: Int64 = 0x6A61_6E75_7301
/// A migration may rewrite tables, or wait for another host's.
private let migrationSecondsMax = 1800.0

/// Whoever owns the schema, else the configured name, else janus_owner.
private let ownerSQL = """
    WITH named AS (
        SELECT coalesce(
            (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'janus_private'),
            nullif(current_setting('janus.role_owner', true), ''), 'janus_owner') AS owner
    )
    SELECT owner, session_user AS user, r.oid IS NOT NULL AS exists,
        coalesce(pg_has_role(session_user, r.oid, 'MEMBER'), false) AS may
    FROM named LEFT JOIN pg_roles r ON r.rolname = owner
    """

private let hasHomeSQL = "SELECT to_regclass('janus_private.schema_migration') IS NOT NULL AS has_home"

private let makeHomeSQL = """
    CREATE SCHEMA IF NOT EXISTS janus_private;
    COMMENT ON SCHEMA janus_private IS 'Tables of janusd; use schema janus.';
    CREATE TABLE IF NOT EXISTS janus_private.schema_migration (
        version int PRIMARY KEY,
        name text NOT NULL,
        -- SHA-256 of the .up.sql: files are never edited once landed
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        applied_by name NOT NULL DEFAULT session_user
    );
    """

private let dropHomeSQL = "DROP TABLE janus_private.schema_migration; DROP SCHEMA janus_private;"

private let recordSQL = """
    INSERT INTO janus_private.schema_migration (version, name, checksum)
    VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))
    """

private let appliedSQL = """
    SELECT m.version, m.name, extract(epoch FROM m.applied_at)::float8 AS applied_at,
        m.checksum IS NOT DISTINCT FROM encode(sha256(convert_to(f.up, 'UTF8')), 'hex') AS is_same
    FROM janus_private.schema_migration m
    LEFT JOIN unnest($1::text[]) WITH ORDINALITY AS f (up, version) ON f.version = m.version
    ORDER BY m.version
    """
