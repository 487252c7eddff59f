import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

/// NOTIFY is heard by anybody, and its queue is the whole server's.
@Suite("Waking")
struct WakingTests {
    private func channel(_ call: String, _ connection: PostgresConnection) async throws -> String {
        try await connection.query("SELECT janus.\(call) AS name").row.text("name")
    }

    @Test(
        "an owner that asked for a channel hears there that a job ended, and nothing else is said; another channel silences the old one"
    )
    func channels() async throws {
        let bench = try await QueueBench()
        let listener = try await bench.database.client("listener")
        let mine = try await channel("channel()", bench.client)
        let others = try await channel("channel()", listener)
        #expect(mine != others && mine.wholeMatch(of: /janus_[0-9a-f]{40}/) != nil)
        #expect(try await channel("channel()", bench.client) == mine)
        for name in [mine, others, "janus_finished"] { try await listener.query("LISTEN \(name)") }
        func heard() async throws -> [String] {
            try await listener.query("SELECT pg_notify('\(others)', 'so far')")
            var heard: [String] = []
            while heard.last != "\(others) so far" {
                heard += try await listener.notifications(withinSeconds: 60).map { "\($0.channel) \($0.payload)" }
            }
            return heard.dropLast()
        }
        try await bench.client.query("SELECT janus.cancel(janus.generate('a'))")
        #expect(try await heard() == ["\(mine) "])
        try await bench.generate()
        _ = try await bench.queue.finish(bench.claimOne(), QueueBench.result())
        #expect(try await heard() == ["\(mine) "])
        let new = try await channel("rotate_channel()", bench.client)
        #expect(new != mine)
        try await bench.client.query("SELECT janus.cancel(janus.generate('a'))")
        #expect(try await heard().isEmpty)
        // who never asked is not told of, and nobody learns another's
        let bob = try await bench.database.client("bob")
        try await bob.query("SELECT janus.cancel(janus.generate('a'))")
        #expect(try await heard().isEmpty)
        for sql in [
            "TABLE janus_private.channel", "SELECT janus_private.channel('\(bench.database.roleName("alice"))')",
        ] {
            let error = await #expect(throws: PostgresError.self) { try await bob.query(sql) }
            #expect(error?.sqlState == "42501")
        }
    }

    @Test("with notify off, by setting or for a transaction, no call notifies: they can be prepared")
    func prepared() async throws {
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let control = try await server.connect()
        try await control.query("ALTER SYSTEM SET max_prepared_transactions = 5")
        await control.close()
        try await server.restart()
        let database = try await server.makeDatabase()
        let queue = try QueueBench.queue(database)
        try await queue.register(models: [QueueBench.model], queues: ["default"], version: "test")
        let client = try await database.client("alice")
        try await client.query("SELECT janus.channel()")
        let ids = try await client.query(
            "SELECT janus.generate('a', webhook_url => 'https://example.org/') FROM generate_series(1, 3)"
        ).rows
        #expect(ids.count == 3)
        _ = try await queue.claim(model: QueueBench.model, queues: ["default"], capacity: 1)
        let calls = """
            SELECT janus.generate('b'), janus.cancel(1), janus.cancel(2), janus.retry(2), janus.cancel(3);
            SELECT janus.redeliver(id) FROM janus.webhook_deliveries
            """
        try await client.runScript("BEGIN; \(calls)")
        await #expect(throws: PostgresError.self) { try await client.query("PREPARE TRANSACTION 'first'") }
        try await client.runScript("BEGIN; SET LOCAL janus.notify = 'off'; \(calls); PREPARE TRANSACTION 'second'")
        try await client.query("ROLLBACK PREPARED 'second'")
        let admin = try await database.connect(database.adminDSN)
        try await admin.query("SELECT janus.configure('notify', 'off')")
        try await client.runScript("BEGIN; \(calls); PREPARE TRANSACTION 'third'")
        try await client.query("COMMIT PREPARED 'third'")
        #expect(try await client.query("SELECT state FROM janus.status(3)").row.text("state") == "canceled")
    }

    @Test("a full queue of notifications fails neither a call nor the end of a job")
    func full() async throws {
        let server = try await TestPostgres.start(.newer)
        defer { server.stop() }
        let control = try await server.connect()
        try await control.query("ALTER SYSTEM SET max_notify_queue_pages = 64")
        await control.close()
        try await server.restart()
        let database = try await server.makeDatabase()
        let queue = try QueueBench.queue(database)
        try await queue.register(models: [QueueBench.model], queues: ["default"], version: "test")
        let client = try await database.client("alice")
        try await client.query("SELECT janus.channel()")
        try await client.query("SELECT janus.generate('a', webhook_url => 'https://example.org/')")
        let claim = try #require(
            try await queue.claim(model: QueueBench.model, queues: ["default"], capacity: 1).first)
        // any role can: somebody listens and does not end its transaction
        let mallory = try await database.client("mallory")
        try await mallory.query("LISTEN noise")
        try await mallory.runScript("BEGIN; SELECT 1")
        let shouter = try await database.client("shouter")
        func shout() async throws {
            try await shouter.query("SELECT pg_notify('noise', n || repeat('x', 7000)) FROM generate_series(1, 8) AS n")
        }
        let usage = "SELECT pg_notification_queue_usage() AS u"
        while try await shouter.query(usage).row.double("u") < 0.6 { try await shout() }
        // there was room when it was looked for, and none at COMMIT
        try await client.query("BEGIN")
        let late = try await client.query("SELECT janus.generate('b') AS id").row.int64("id")
        await #expect(throws: PostgresError.self) { while true { try await shout() } }
        let error = await #expect(throws: PostgresError.self) { try await client.query("COMMIT") }
        #expect(error?.sqlState == "54000")
        #expect(try await client.query("SELECT FROM janus.status(\(late))").rows.isEmpty)

        #expect(try await shouter.query(usage).row.double("u") > 0.9)
        #expect(try await queue.finish(claim, QueueBench.result()) == .recorded(.succeeded))
        let id = try await client.query("SELECT janus.generate('b') AS id").row.int64("id")
        #expect(try await client.query("SELECT janus.cancel(\(id)) AS s").row.text("s") == "canceled")
        #expect(try await client.query("SELECT FROM janus.webhook_deliveries").rows.count == 1)
        try await mallory.query("ROLLBACK")
    }

    @Test("a daemon's transaction that finds no room for a notification at COMMIT is repeated without it")
    func repeated() async throws {
        let bench = try await QueueBench()
        // stands for the full queue: raised where the real one is, at COMMIT, while the daemon would notify
        try await bench.superuser.runScript(
            """
            CREATE FUNCTION public.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF current_setting('janus.notify', true) IS DISTINCT FROM 'off' THEN
                    RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'too many notifications in the NOTIFY queue';
                END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER no_room AFTER UPDATE ON janus_private.attempt DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.no_room();
            """)
        let id = try await bench.generate()
        #expect(try await bench.queue.finish(bench.claimOne(), QueueBench.result()) == .recorded(.succeeded))
        #expect(try await bench.state(id) == "succeeded")
    }
}
