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
/// Each migration is one transaction, which begins with the lock of the migrations' own table and reads the version again
/// under it, so several hosts may start it at once. It waits a bounded time for a lock, and names who holds it.
package struct Migrator: Sendable {
    private let address: PostgresAddress
    private let directory: String
    private let lockSeconds: Double

    /// - Parameters:
    ///   - directory: the folder `Migrations`.
    ///   - lockSeconds: how long a migration may wait for one lock.
    package init(dsn: String, directory: String, lockSeconds: Double = 30) throws(QueueError) {
        do { self.address = try PostgresAddress(dsn: dsn) } catch { throw .database(error) }
        self.directory = directory
        self.lockSeconds = lockSeconds
    }

    /// Every migration known to files or database, by number.
    package func status() async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        return try await connected { connection throws(QueueError) in
            do throws(PostgresError) { return try await read(files, connection) } catch { throw .database(error) }
        }
    }

    /// Applies what is pending, up to and including `version`; nil: all.
    /// - Returns: what was applied.
    @discardableResult
    package func up(to version: Int? = nil) async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        try check(version, files)
        return try await connected { connection throws(QueueError) in
            let owner = try await owner(connection)
            try await makeHome(owner, connection)
            var done: [MigrationStatus] = []
            for file in files where file.version <= version ?? .max {
                let applied = try await step("\(file.version) (\(file.name))", owner, connection) {
                    () throws(PostgresError) in
                    try await apply(file, files, connection)
                }
                if let applied = try applied.get() { done.append(applied) }
            }
            return done
        }
    }

    /// Takes back what was applied after `version`; 0 takes back everything, jobs included.
    /// - Returns: what was taken back, the newest first.
    @discardableResult
    package func down(to version: Int) async throws(QueueError) -> [MigrationStatus] {
        let files = try MigrationFile.read(directory: directory)
        try check(version, files)
        return try await connected { connection throws(QueueError) in
            let owner = try await owner(connection)
            try await makeHome(owner, connection)
            var done: [MigrationStatus] = []
            for file in files.reversed() where file.version > version {
                let undone = try await step("\(file.version) (\(file.name)), down,", owner, connection) {
                    () throws(PostgresError) in
                    try await takeBack(file, files, connection)
                }
                if let undone = try undone.get() { done.append(undone) }
            }
            if version == 0 {
                try await step("the last step down", owner, connection) { () throws(PostgresError) in
                    try await connection.runScript(dropHomeSQL)
                }
            }
            return done
        }
    }

    /// Makes this cluster and database the ones that daemons serve: after a restore, a copy or pg_upgrade.
    package func adopt() async throws(QueueError) {
        try await connected { connection throws(QueueError) in
            let owner = try await owner(connection)
            guard try await hasHome(connection) else { throw .schema(found: nil) }
            _ = try await step("the adoption", owner, connection) { () throws(PostgresError) in
                try await connection.query(adoptSQL)
            }
        }
    }

    // MARK: Steps

    /// - Returns: nil if it is applied already; a failure, with nothing changed, if the database is not one of these files'.
    private func apply(_ file: MigrationFile, _ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(PostgresError) -> Result<MigrationStatus?, QueueError>
    {
        switch try await checked(files, connection) {
        case .failure(let error): return .failure(error)
        case .success(let known):
            guard known[file.version - 1].state == .pending else { return .success(nil) }
            try await connection.runScript(file.up)
            try await connection.query(recordSQL, [.int(file.version), .text(file.name), .text(file.up)])
            return .success(try await read(files, connection)[file.version - 1])
        }
    }

    private func takeBack(_ file: MigrationFile, _ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(PostgresError) -> Result<MigrationStatus?, QueueError>
    {
        switch try await checked(files, connection) {
        case .failure(let error): return .failure(error)
        case .success(let known):
            guard known[file.version - 1].state != .pending else { return .success(nil) }
            try await connection.runScript(file.down)
            try await connection.query(
                "DELETE FROM janus_private.schema_migration WHERE version = $1", [.int(file.version)])
            return .success(MigrationStatus(version: file.version, name: file.name, state: .pending))
        }
    }

    /// One transaction as the owner, under the lock.
    @discardableResult
    private func step<Value>(
        _ label: String, _ owner: String, _ connection: PostgresConnection,
        _ body: () async throws(PostgresError) -> Value
    ) async throws(QueueError) -> Value {
        do {
            return try await connection.withTransaction { () throws(PostgresError) in
                try await connection.query(
                    "SELECT set_config('role', $1, true), set_config('lock_timeout', $2, true)",
                    [.text(owner), .text("\(Int(lockSeconds * 1000))ms")])
                if try await connection.query(hasHomeSQL).row.bool("has_home") {
                    try await connection.query("LOCK TABLE janus_private.schema_migration IN SHARE ROW EXCLUSIVE MODE")
                }
                return try await body()
            }
        } catch {
            guard case .server(let server) = error else { throw .database(error) }
            guard server.sqlState == lockNotAvailable else {
                throw .migration("migration \(label) failed and changed nothing: \(server)")
            }
            throw .migration(
                "migration \(label) changed nothing: it waited \(lockSeconds) s for a lock that others hold: "
                    + "\(await holders(connection)); let them end, or end them by pg_terminate_backend, and run it again"
            )
        }
    }

    private func holders(_ connection: PostgresConnection) async -> String {
        do {
            return try await connection.query(holdersSQL).row.textIfAny("holders") ?? "nobody any more"
        } catch { return "who cannot be told (\(error))" }
    }

    /// Its schema and table, unless they are there: that asks for a right that is not needed otherwise.
    private func makeHome(_ owner: String, _ connection: PostgresConnection) async throws(QueueError) {
        guard try await !hasHome(connection) else { return }
        do {
            try await step("of its own table", owner, connection) { () throws(PostgresError) in
                try await connection.runScript(makeHomeSQL)
            }
        } catch {
            // Another host may have made it at this moment.
            guard try await hasHome(connection) else { throw error }
        }
    }

    private func hasHome(_ connection: PostgresConnection) async throws(QueueError) -> Bool {
        do throws(PostgresError) {
            return try await connection.query(hasHomeSQL).row.bool("has_home")
        } catch { throw .database(error) }
    }

    // MARK: What is there

    private func check(_ version: Int?, _ files: [MigrationFile]) throws(QueueError) {
        guard let version, !(0...files.count).contains(version) else { return }
        throw .migration("there is no schema version \(version): these migrations know 0 to \(files.count)")
    }

    /// As `read`, refusing a database that is newer than the files, and files that were edited.
    private func checked(_ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(PostgresError) -> Result<[MigrationStatus], QueueError>
    {
        let known = try await read(files, connection)
        for migration in known {
            switch migration.state {
            case .pending, .applied: continue
            case .edited:
                return .failure(
                    .migration(
                        "migration \(migration.version) (\(migration.name)) was edited after it was applied: take the file "
                            + "as it was, and put changes into a new migration"))
            case .unknown:
                return .failure(
                    .migration(
                        "the database has schema version \(known.count), and these migrations know \(files.count) at most: "
                            + "use the janusd that made it, or a newer one"))
            }
        }
        return .success(known)
    }

    private func read(_ files: [MigrationFile], _ connection: PostgresConnection)
        async throws(PostgresError) -> [MigrationStatus]
    {
        var known = files.map { MigrationStatus(version: $0.version, name: $0.name, state: .pending) }
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
        return known
    }

    // MARK: Connection and role

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

    /// All objects belong to one role, whoever migrates.
    /// - Returns: its name.
    private func owner(_ connection: PostgresConnection) async throws(QueueError) -> String {
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
            return owner
        } catch { throw .database(error) }
    }
}

/// A migration may rewrite tables.
private let migrationSecondsMax = 1800.0
/// lock_not_available.
private let lockNotAvailable = "55P03"

/// Who holds locks on what is ours; what they do is shown to their own role only.
private let holdersSQL = """
    SELECT string_agg(DISTINCT format('process %s of role %s (%s)', a.pid, a.usename, a.application_name), ', ') AS holders
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.relation IN (
            SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('janus', 'janus_private'))
    """

private let adoptSQL = """
    UPDATE janus_private.home h SET system_identifier = c.system_identifier, database = current_database()
    FROM pg_control_system() AS c
    """

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
