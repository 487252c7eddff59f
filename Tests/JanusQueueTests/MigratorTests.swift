import Foundation
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Migrating")
struct MigratorTests {
    /// Everything that a database has besides what it came with.
    private func dump(_ database: TestDatabase) async throws -> String {
        let connection = try await database.connect()
        return try await connection.query(
            """
            SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') AS dump FROM (
                SELECT 'schema ' || nspname || ' ' || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname LIKE 'janus%'
                UNION ALL SELECT 'relation ' || c.oid::regclass || ' ' || relkind::text || ' ' || coalesce(relacl::text, '')
                    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'janus%'
                UNION ALL SELECT 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' '
                        || attnotnull || ' ' || coalesce(attacl::text, '')
                    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
                    WHERE nspname LIKE 'janus%' AND attnum > 0
                UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
                    FROM pg_constraint WHERE connamespace::regnamespace::text LIKE 'janus%'
                UNION ALL SELECT 'function ' || p.oid::regprocedure || ' ' || coalesce(proacl::text, 'everyone') || md5(pg_get_functiondef(p.oid))
                    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname LIKE 'janus%'
                UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t
                    JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'janus%' AND NOT tgisinternal
                UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname LIKE 'janus%'
            ) AS x (line)
            """
        ).row.text("dump")
    }

    private func copyOfMigrations() throws -> String {
        let folder = FileManager.default.temporaryDirectory.path + "/janus-migrations-\(UUID().uuidString)"
        try FileManager.default.copyItem(atPath: TestPaths.migrations, toPath: folder)
        return folder
    }

    @Test("up, down, step by step and up again give the same schema, and down to 0 leaves nothing")
    func upAndDown() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let migrator = try Migrator(dsn: database.deployerDSN, directory: TestPaths.migrations)
        let bare = try await dump(database)
        #expect(bare.isEmpty)
        let before = try await migrator.status()
        #expect(before.count == SchemaVersion.current && before.allSatisfy { $0.state == .pending })
        #expect(try await migrator.up().map(\.version) == Array(1...SchemaVersion.current))
        let full = try await dump(database)
        #expect(try await migrator.up().isEmpty)
        let after = try await migrator.status()
        #expect(after.count == SchemaVersion.current)
        #expect(after.allSatisfy { if case .applied = $0.state { true } else { false } })
        for version in (0..<SchemaVersion.current).reversed() {
            #expect(try await migrator.down(to: version).map(\.version) == [version + 1])
        }
        #expect(try await dump(database) == bare)
        for version in 1...SchemaVersion.current { try await migrator.up(to: version) }
        #expect(try await dump(database) == full)
        #expect(try await migrator.down(to: 0).count == SchemaVersion.current)
        #expect(try await dump(database) == bare)
    }

    @Test("no function is everyone's, and each pins its search path")
    func privileges() async throws {
        let connection = try await TestPostgres.database().connect()
        let loose = try await connection.query(
            """
            SELECT coalesce(string_agg(p.oid::regprocedure::text, ', '), '') AS names
            FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
            WHERE nspname LIKE 'janus%' AND (has_function_privilege('public', p.oid, 'EXECUTE')
                OR prosqlbody IS NULL
                AND NOT EXISTS (SELECT FROM unnest(proconfig) AS c WHERE c LIKE 'search_path=%'))
            """
        ).row.text("names")
        #expect(loose == "")
    }

    @Test("a migration that others' locks hold up says within its time who they are, and changes nothing")
    func heldUp() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let migrator = try Migrator(dsn: database.deployerDSN, directory: TestPaths.migrations, lockSeconds: 0.3)
        try await migrator.up(to: 2)
        // the numbers of advisory locks are anybody's, and stop nothing
        let mallory = try await database.client("mallory")
        try await mallory.query(
            "SELECT pg_advisory_lock(x'6A616E757301'::bigint), pg_advisory_lock(x'6A616E757302'::bigint)")
        await #expect(throws: PostgresError.self) {
            try await mallory.query("LOCK TABLE janus_private.schema_migration IN ACCESS SHARE MODE")
        }
        try await migrator.up(to: 4)
        let other = try await database.connect(database.deployerDSN)
        try await other.runScript(
            "SET ROLE janus_owner; BEGIN; LOCK TABLE janus_private.schema_migration IN SHARE ROW EXCLUSIVE MODE")
        let pid = try await other.query("SELECT pg_backend_pid() AS pid").row.int("pid")
        for step in [{ try await migrator.up() }, { try await migrator.down(to: 0) }] {
            let error = await #expect(throws: QueueError.self) { try await step() }
            #expect("\(error!)".contains("changed nothing"))
            #expect("\(error!)".contains("process \(pid) of role test_deployer"), "\(error!)")
        }
        try await other.query("ROLLBACK")
        #expect(try await migrator.status().filter { $0.state == .pending }.count == SchemaVersion.current - 4)
        try await migrator.up()
    }

    @Test("a copy under another name or on another cluster is served only after adopt; a job enqueued there waits")
    func adopted() async throws {
        let bench = try await QueueBench()
        try await bench.generate("'a', webhook_url => 'https://example.org/'")
        for change in ["database = 'elsewhere'", "system_identifier = 1"] {
            try await bench.superuser.query("UPDATE janus_private.home SET \(change)")
            let error = await #expect(throws: QueueError.self) {
                try await bench.queue.register(models: [QueueBench.model], queues: ["default"], version: "test")
            }
            #expect(error == .notAdopted && "\(error!)".contains("janusd adopt"))
            try await Migrator(dsn: bench.database.deployerDSN, directory: TestPaths.migrations).adopt()
            try await bench.queue.register(models: [QueueBench.model], queues: ["default"], version: "test")
        }
        _ = try await bench.claimOne()
    }

    @Test("several hosts that migrate at one moment apply each migration once")
    func together() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let migrator = try Migrator(dsn: database.deployerDSN, directory: TestPaths.migrations)
        let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<4 { group.addTask { try await migrator.up().map(\.version) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied.sorted() == Array(1...SchemaVersion.current))
    }

    @Test("an edited migration is noticed, a newer database refused, a failing migration changes nothing")
    func refusals() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let folder = try copyOfMigrations()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let migrator = try Migrator(dsn: database.deployerDSN, directory: folder)
        try await migrator.up(to: 1)

        // a failing one
        let second = folder + "/003_status.up.sql"
        let text = try String(contentsOfFile: second, encoding: .utf8)
        try (text + "SELECT 1 / 0;").write(toFile: second, atomically: true, encoding: .utf8)
        let failure = await #expect(throws: QueueError.self) { try await migrator.up() }
        #expect("\(failure!)".contains("migration 3 (status) failed and changed nothing: division by zero"))
        #expect(try await migrator.status()[2].state == .pending)
        try text.write(toFile: second, atomically: true, encoding: .utf8)
        try await migrator.up()

        // edited
        try (text + "-- later\n").write(toFile: second, atomically: true, encoding: .utf8)
        let edited = await #expect(throws: QueueError.self) { try await migrator.up() }
        #expect("\(edited!)".contains("migration 3 (status) was edited"))
        guard case .edited = try await migrator.status()[2].state else { throw BenchError("not edited") }
        try text.write(toFile: second, atomically: true, encoding: .utf8)

        // newer
        let newest = SchemaVersion.current
        for name in try FileManager.default.contentsOfDirectory(atPath: folder)
        where name.hasPrefix(String(format: "%03d_", newest)) {
            try FileManager.default.removeItem(atPath: folder + "/" + name)
        }
        for attempt in [{ try await migrator.up() }, { try await migrator.down(to: 1) }] {
            let newer = await #expect(throws: QueueError.self) { try await attempt() }
            #expect(
                "\(newer!)".contains(
                    "the database has schema version \(newest), and these migrations know \(newest - 1)"))
        }
        await #expect(throws: QueueError.self) { try await migrator.up(to: 9) }
    }

    @Test("a daemon refuses a database without schema, with an older and with a newer one")
    func versions() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let queue = try QueueBench.queue(database)
        func found() async throws -> Int? {
            let error = await #expect(throws: QueueError.self) {
                try await queue.register(models: ["tiny"], queues: ["default"], version: "1")
            }
            if case .schema(let found) = error { return found }
            throw BenchError("it did not name the schema")
        }
        #expect(try await found() == nil)
        let migrator = try Migrator(dsn: database.deployerDSN, directory: TestPaths.migrations)
        try await migrator.up(to: 1)
        #expect(try await found() == 1)
        try await migrator.up()
        let connection = try await database.connect()
        try await connection.query(
            "INSERT INTO janus_private.schema_migration (version, name, checksum) VALUES (99, 'future', '')")
        #expect(try await found() == 99)
    }

    @Test("without roles, without membership and without files, the error says what to do")
    func unprepared() async throws {
        let server = try await TestPostgres.shared()
        let database = try await TestPostgres.database(migrated: false)
        let client = try await database.clientDSN("outsider")
        let member = await #expect(throws: QueueError.self) {
            try await Migrator(dsn: client, directory: TestPaths.migrations).up()
        }
        #expect("\(member!)".contains("GRANT janus_owner TO outsider"))
        let files = await #expect(throws: QueueError.self) {
            try await Migrator(dsn: database.deployerDSN, directory: "/nonexistent").status()
        }
        #expect("\(files!)".contains("/nonexistent cannot be read"))
        let wrong = await #expect(throws: QueueError.self) {
            try await Migrator(dsn: server.dsn("nosuch"), directory: TestPaths.migrations).status()
        }
        #expect(wrong?.isConnectionFailure == true)
    }

    @Test("the roles may have names of one's own")
    func ownNames() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let names = ["client", "daemon", "admin", "monitor", "owner"].map { ($0, "app_\($0)_\(database.name)") }
        try database.server.bootstrap(database.name, variables: Dictionary(uniqueKeysWithValues: names))
        try database.server.bootstrap(database.name, variables: Dictionary(uniqueKeysWithValues: names))
        try await Migrator(dsn: database.superuserDSN, directory: TestPaths.migrations).up()
        let connection = try await database.connect()
        let owner = try await connection.query(
            "SELECT tableowner AS owner FROM pg_tables WHERE schemaname = 'janus_private' AND tablename = 'job'"
        ).row.text("owner")
        #expect(owner == "app_owner_\(database.name)")
        try await connection.query("SET ROLE app_client_\(database.name)")
        try await connection.query("SELECT janus.generate('a')")
        let stranger = try await database.client("stranger")
        await #expect(throws: PostgresError.self) { try await stranger.query("SELECT janus.generate('a')") }
    }
}
