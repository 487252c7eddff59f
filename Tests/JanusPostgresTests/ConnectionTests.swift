import Foundation
import JanusPostgres
import Testing
import TestSupport

@Suite("A PostgreSQL connection")
struct ConnectionTests {
    @Test("values of every type travel there and back")
    func values() async throws {
        let connection = try await TestPostgres.shared().connect()
        let uuid = UUID()
        let data = Data((0...255).map { UInt8($0) })
        let row = try await connection.query(
            """
            SELECT $1::text AS t, $2::bigint AS i, $3::float8 AS d, $4::bool AS b, $5::uuid AS u, $6::bytea AS x,
                $7::text AS n, to_json($8::text[]) AS ts, ($9::bigint[])[2] AS second, to_json($10::uuid[]) AS us
            """,
            [
                .text("naïve \" \\ {}, 🦊"), .int(Int64.min), .double(-0.1), .bool(true), .uuid(uuid), .bytes(data),
                .null,
                .texts(["a,b", "\"q\"", "back\\slash", "", "NULL"]), .ints([1, 2]), .uuids([uuid]),
            ]
        ).row
        #expect(try row.text("t") == "naïve \" \\ {}, 🦊")
        #expect(try row.int64("i") == .min && row.double("d") == -0.1 && row.bool("b") && row.uuid("u") == uuid)
        #expect(try row.bytes("x") == data && row.textIfAny("n") == nil && row.int("second") == 2)
        #expect(try row.json("ts", as: [String].self) == ["a,b", "\"q\"", "back\\slash", "", "NULL"])
        #expect(try row.json("us", as: [UUID].self) == [uuid])
        #expect(throws: PostgresError.self) { try row.text("n") }
        #expect(throws: PostgresError.self) { try row.int("t") }
        #expect(throws: PostgresError.self) { try row.text("missing") }
    }

    @Test("an error of the server has its SQLSTATE, message and hint, and leaves the connection usable")
    func serverError() async throws {
        let connection = try await TestPostgres.shared().connect()
        let error = await #expect(throws: PostgresError.self) {
            try await connection.query("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22023', HINT = 'do'; END $$")
        }
        #expect(error == .server(ServerError(sqlState: "22023", message: "no", hint: "do")))
        #expect(try await connection.query("SELECT 1 AS one").row.int("one") == 1)
    }

    @Test("a failed transaction leaves nothing, a good one everything")
    func transactions() async throws {
        let connection = try await TestPostgres.shared().connect()
        try await connection.query("CREATE TEMP TABLE t (x int)")
        await #expect(throws: PostgresError.self) {
            try await connection.withTransaction { () throws(PostgresError) in
                try await connection.query("INSERT INTO t VALUES (1)")
                try await connection.query("SELECT 1 / 0")
            }
        }
        try await connection.withTransaction { () throws(PostgresError) in
            _ = try await connection.query("INSERT INTO t VALUES (2)")
        }
        #expect(try await connection.query("SELECT x FROM t").row.int("x") == 2)
    }

    @Test("a wrong DSN, a closed port, an unknown database and a wrong user say so, without the password")
    func cannotConnect() async throws {
        #expect(throws: PostgresError.invalidDSN) { try PostgresAddress(dsn: "secret nonsense") }
        let server = try await TestPostgres.shared()
        for dsn in [
            "host=127.0.0.1 port=1 dbname=x password=secret", server.dsn("nothere") + " password=secret",
            server.dsn("postgres", user: "nobody_here") + " password=secret",
            "postgresql://u:secret@no-such-host.invalid/db",
        ] {
            let address = try PostgresAddress(dsn: dsn)
            let error = await #expect(throws: PostgresError.self) { try await PostgresConnection.connect(to: address) }
            guard case .cannotConnect = error else { throw Unexpected("\(String(describing: error)) for \(dsn)") }
            #expect(!"\(error!) \(address)".contains("secret"))
        }
    }

    @Test("a statement beyond its deadline is canceled on the server and closes the connection")
    func deadline() async throws {
        let server = try await TestPostgres.shared()
        let connection = try await server.connect(statementSeconds: 1)
        let pid = try await connection.query("SELECT pg_backend_pid() AS pid").row.int("pid")
        await #expect(throws: PostgresError.deadlinePassed(seconds: 1)) {
            try await connection.query("SELECT pg_sleep(600)")
        }
        await #expect(throws: PostgresError.self) { try await connection.query("SELECT 1") }
        let other = try await server.connect()
        try await waitUntil("the server has stopped it") {
            try await other.query("SELECT FROM pg_stat_activity WHERE pid = $1", [.int(pid)]).rows.isEmpty
        }
    }

    @Test("cancelling the task ends a statement and leaves no half-read protocol")
    func cancellation() async throws {
        let server = try await TestPostgres.shared()
        let connection = try await server.connect()
        let pid = try await connection.query("SELECT pg_backend_pid() AS pid").row.int("pid")
        let task = Task { try await connection.query("SELECT pg_sleep(600)") }
        let other = try await server.connect()
        try await waitUntil("it sleeps") {
            try await !other.query(
                "SELECT FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active'",
                [.int(pid)]
            ).rows.isEmpty
        }
        task.cancel()
        await #expect(throws: PostgresError.canceled) { try await task.value }
        await #expect(throws: PostgresError.self) { try await connection.query("SELECT 1") }
        try await waitUntil("the server has stopped it") {
            try await other.query("SELECT FROM pg_stat_activity WHERE pid = $1", [.int(pid)]).rows.isEmpty
        }
    }

    @Test("a terminated session is a lost connection, and the pool makes another")
    func terminated() async throws {
        let server = try await TestPostgres.shared()
        let pool = PostgresPool(
            address: try PostgresAddress(dsn: server.dsn("postgres")), options: PostgresOptions(), connectionsMax: 1)
        let other = try await server.connect()
        func pid() async throws -> Int {
            try await pool.withConnection { connection throws(PostgresError) in
                try await connection.query("SELECT pg_backend_pid() AS pid").row.int("pid")
            }
        }
        let first = try await pid()
        let error = await #expect(throws: PostgresError.self) {
            try await pool.withConnection { connection throws(PostgresError) in
                try await connection.query("SELECT pg_terminate_backend(pg_backend_pid())")
            }
        }
        #expect(error?.isConnectionFailure == true)
        let second = try await pid()
        #expect(second != first)
        // while it lies idle
        try await other.query("SELECT pg_terminate_backend($1::int)", [.int(second)])
        // It is noticed as soon as the socket says so.
        try await waitUntil("the pool has another") {
            do { return try await pid() != second } catch let error as PostgresError where error.isConnectionFailure {
                return false
            }
        }
    }

    @Test("a pool lends no more connections than it may, and every waiter has its turn")
    func poolTurns() async throws {
        let server = try await TestPostgres.shared()
        let name = "turns\(UUID().uuidString)"
        let pool = PostgresPool(
            address: try PostgresAddress(dsn: server.dsn("postgres")), options: PostgresOptions(applicationName: name),
            connectionsMax: 2)
        let most = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await pool.withConnection { connection throws(PostgresError) in
                        try await connection.query(
                            "SELECT count(*) AS n, pg_sleep(0.01) FROM pg_stat_activity WHERE application_name = $1",
                            [.text(name)]
                        ).row.int("n")
                    }
                }
            }
            return try await group.reduce(0, max)
        }
        #expect(most <= 2)
    }

    @Test("many connections may block at one moment, as each has a thread of its own")
    func manyBlocked() async throws {
        let server = try await TestPostgres.shared()
        let holder = try await server.connect()
        let count = 16
        let key = Int64.random(in: 1...Int64.max)
        try await holder.query("SELECT pg_advisory_lock($1)", [.int(key)])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    let connection = try await server.connect()
                    try await connection.query(
                        "SELECT pg_advisory_xact_lock($1), 'manyBlocked'", [.int(key)])
                }
            }
            try await waitUntil("all wait") {
                try await holder.query(
                    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%''manyBlocked''%'"
                ).rows.count == count
            }
            try await holder.query("SELECT pg_advisory_unlock($1)", [.int(key)])
            try await group.waitForAll()
        }
    }

    @Test("a large parameter and a large result pass")
    func large() async throws {
        let connection = try await TestPostgres.shared().connect()
        let data = Data(repeating: 0xA5, count: 24 << 20)
        #expect(try await connection.query("SELECT $1::bytea AS x", [.bytes(data)]).row.bytes("x") == data)
    }

    @Test("a private server's restart breaks connections, and new ones come about")
    func restart() async throws {
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let pool = PostgresPool(
            address: try PostgresAddress(dsn: server.dsn("postgres")), options: PostgresOptions(), connectionsMax: 1)
        try await pool.withConnection { connection throws(PostgresError) in _ = try await connection.query("SELECT 1") }
        try await server.restart {
            await #expect(throws: PostgresError.self) {
                try await pool.withConnection { connection throws(PostgresError) in
                    _ = try await connection.query("SELECT 1")
                }
            }
        }
        try await pool.withConnection { connection throws(PostgresError) in _ = try await connection.query("SELECT 1") }
    }

    private struct Unexpected: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }
}
