import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

/// A client can have its code run by others: by a superuser's maintenance, by whoever calls its functions. Whatever way it
/// comes to run, it gets what is the client's own.
@Suite("Who calls is whoever the server runs the statement as")
struct IdentityTests {
    @Test(
        "a function in a client's index or view, run by a superuser's maintenance, reaches that client's jobs only",
        arguments: TestPostgres.Release.allCases,
        [
            "ANALYZE mallory.bait", "CREATE INDEX ON mallory.bait (mallory.wicked(x))", "REINDEX TABLE mallory.bait",
            "REFRESH MATERIALIZED VIEW mallory.glimpse", "VACUUM (FULL, ANALYZE) mallory.bait", "CLUSTER mallory.bait",
        ])
    func maintenance(on release: TestPostgres.Release, statement: String) async throws {
        let attack = try await Attack(on: release)
        try await attack.bench.superuser.query(statement)
        try await attack.expectOwnOnly()
    }

    @Test("the same of autovacuum, whose session is a superuser's", arguments: TestPostgres.Release.allCases)
    func autovacuum(on release: TestPostgres.Release) async throws {
        let attack = try await Attack(on: release)
        try await attack.bench.superuser.query("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        try await attack.bench.superuser.query("SELECT pg_reload_conf()")
        try await attack.mallory.runScript(
            """
            ALTER TABLE mallory.bait SET (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
            INSERT INTO mallory.bait SELECT generate_series(1, 100);
            DELETE FROM mallory.loot;
            """)
        try await waitUntil("autovacuum has run the function", seconds: 60) {
            try await !attack.mallory.query("SELECT FROM mallory.loot WHERE session <> current_user").rows.isEmpty
        }
        try await attack.expectOwnOnly()
    }

    @Test(
        "a client's SECURITY DEFINER function or trigger, called by a victim, an administrator or a superuser, reaches that client's jobs only",
        arguments: TestPostgres.Release.allCases,
        ["SELECT mallory.helpful()", "INSERT INTO mallory.guestbook VALUES ('me')", "SELECT * FROM mallory.friendly"])
    func definer(on release: TestPostgres.Release, statement: String) async throws {
        let attack = try await Attack(on: release)
        let admin = try await attack.bench.database.connect(attack.bench.database.adminDSN)
        for caller in [attack.bench.client, admin, attack.bench.superuser] {
            try await attack.mallory.query("DELETE FROM mallory.loot")
            try await caller.query(statement)
            try await attack.expectOwnOnly()
        }
    }

    @Test(
        "nobody gives another caller than itself, in whatever way it inserts", arguments: TestPostgres.Release.allCases)
    func callerIsNotGiven(on release: TestPostgres.Release) async throws {
        let bench = try await QueueBench(on: release)
        let id = try await bench.generate()
        let mallory = try await bench.database.client("mallory")
        let victim = bench.database.roleName("alice")
        for statement in [
            "INSERT INTO janus.cancel_request (job, caller) VALUES (\(id), '\(victim)')",
            "INSERT INTO janus.cancel_request (job, caller) VALUES (\(id), DEFAULT)",
            "INSERT INTO janus.cancel_request VALUES (\(id), NULL, '\(victim)')",
            "INSERT INTO janus.cancel_request SELECT \(id), NULL, '\(victim)'",
            "INSERT INTO janus.cancel_request (job) VALUES (\(id)) RETURNING caller",
            "UPDATE janus.cancel_request SET job = 1", "DELETE FROM janus.cancel_request",
            "SELECT caller FROM janus.cancel_request",
            "ALTER VIEW janus.cancel_request ALTER COLUMN caller SET DEFAULT '\(victim)'",
            "CREATE TRIGGER mine INSTEAD OF INSERT ON janus.cancel_request FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "SELECT janus_private.cancel('\(victim)', \(id))", "SELECT janus_private.cancel_requested()",
            "SET ROLE \(victim)",
        ] {
            let error = await #expect(throws: PostgresError.self, "\(statement)") { try await mallory.query(statement) }
            // no right to, or no such operation on a view of that kind
            #expect(["42501", "55000"].contains(error?.sqlState), "\(statement): \(error!)")
        }
        let error = await #expect(throws: PostgresError.self) {
            try await mallory.query("INSERT INTO janus.cancel_request (job) VALUES (\(id))")
        }
        #expect(error?.sqlState == "P0002")
        #expect(try await bench.state(id) == "queued")
        // what a public function writes is open to everybody who may call it, and does the same
        let direct = try await bench.client.query(
            "INSERT INTO janus.cancel_request (job) VALUES (\(id)) RETURNING result")
        #expect(try direct.row.text("result") == "canceled")
    }

    @Test(
        "others' jobs are seen by the rights that a role inherits, not by those that it could take or give",
        arguments: TestPostgres.Release.allCases)
    func inheritance(on release: TestPostgres.Release) async throws {
        let bench = try await QueueBench(on: release)
        try await bench.generate()
        let database = bench.database
        let (alice, team) = (database.roleName("alice"), database.roleName("team"))
        func seen(by role: String) async throws -> [Int] {
            try await bench.superuser.query("SET ROLE \(role)")
            var counts: [Int] = []
            for view in ["jobs", "job_status", "job_keys", "list()"] {
                counts.append(try await bench.superuser.query("SELECT count(*) AS n FROM janus.\(view)").row.int("n"))
            }
            try await bench.superuser.query("RESET ROLE")
            return counts
        }
        let (nothing, all) = ([0, 0, 0, 0], [1, 1, 1, 1])
        // what the superuser could do is not what it is a member of
        #expect(try await seen(by: "postgres") == nothing)
        // far away, by way of others
        try await bench.superuser.runScript(
            """
            CREATE ROLE \(team) IN ROLE \(alice);
            CREATE ROLE far_\(database.name) IN ROLE \(team);
            CREATE ROLE lazy_\(database.name) NOINHERIT IN ROLE \(alice), janus_client;
            CREATE ROLE wide_\(database.name) IN ROLE lazy_\(database.name);
            GRANT USAGE ON SCHEMA janus TO lazy_\(database.name);
            GRANT SELECT ON janus.jobs, janus.job_status, janus.job_keys, janus.visible_roles TO lazy_\(database.name);
            GRANT EXECUTE ON FUNCTION janus.list, janus_private.inherited_roles TO lazy_\(database.name);
            """)
        #expect(try await seen(by: "far_\(database.name)") == all)
        #expect(try await seen(by: "lazy_\(database.name)") == nothing)
        #expect(try await seen(by: "wide_\(database.name)") == nothing)

        guard release == .newer else { return }
        // memberships that say so themselves, by several grantors
        let boss = "boss_\(database.name)"
        try await bench.superuser.runScript(
            """
            CREATE ROLE \(boss) CREATEROLE IN ROLE janus_client;
            GRANT \(alice) TO \(boss) WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
            """)
        #expect(try await seen(by: boss) == nothing)
        try await bench.superuser.runScript(
            "CREATE ROLE own_\(database.name) IN ROLE janus_client; GRANT \(alice) TO own_\(database.name) WITH INHERIT FALSE"
        )
        #expect(try await seen(by: "own_\(database.name)") == nothing)
        try await bench.superuser.runScript(
            "SET ROLE \(boss); GRANT \(alice) TO own_\(database.name) WITH INHERIT TRUE; RESET ROLE")
        #expect(try await seen(by: "own_\(database.name)") == all)
    }

    @Test("who inherits an administrator's rights sees all, and no superuser by that alone")
    func administrators() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        try await bench.superuser.query("CREATE ROLE deputy_\(bench.database.name) IN ROLE test_admin")
        for (role, state) in [("deputy_\(bench.database.name)", "canceled"), ("postgres", nil)] {
            try await bench.superuser.query("SET ROLE \(role)")
            if let state {
                #expect(try await bench.superuser.query("SELECT FROM janus.jobs").rows.count == 1)
                #expect(try await bench.superuser.query("SELECT janus.cancel(\(id)) AS s").row.text("s") == state)
            } else {
                #expect(try await bench.superuser.query("SELECT FROM janus.jobs").rows.isEmpty)
                await #expect(throws: PostgresError.self) {
                    try await bench.superuser.query("SELECT janus.cancel(\(id))")
                }
            }
        }
    }

    @Test("a role keeps its jobs and secret when it is renamed; who takes its name gets neither")
    func renamed() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        let (alice, bob) = (bench.database.roleName("alice"), bench.database.roleName("bob"))
        let secret = try await bench.client.query("SELECT janus.webhook_secret() AS s").row.text("s")
        try await bench.superuser.runScript("ALTER ROLE \(alice) RENAME TO \(bob)")
        let thief = try await bench.database.client("alice")
        #expect(try await thief.query("SELECT FROM janus.jobs").rows.isEmpty)
        #expect(try await thief.query("SELECT janus.webhook_secret() AS s").row.text("s") != secret)
        #expect(try await bench.column("owner", id) == bob)
        #expect(try await bench.client.query("SELECT janus.webhook_secret() AS s").row.text("s") == secret)
        // the roles of bootstrap.sql too
        try await bench.superuser.runScript(
            "BEGIN; ALTER ROLE janus_admin RENAME TO chiefs; SET LOCAL ROLE test_admin; SELECT 1 / count(*) FROM janus.jobs; ROLLBACK"
        )
    }

    @Test("an administrator gives all that is a role's to another; what is dropped is named by its number")
    func reassigned() async throws {
        let bench = try await QueueBench()
        let admin = try await bench.database.connect(bench.database.adminDSN)
        let ids = [
            try await bench.generate("'a', idempotency_key => 'k'"),
            try await bench.generate("'b', webhook_url => 'https://example.org/'"),
        ]
        try await bench.client.query("SELECT janus.cancel(\(ids[1]))")
        let running = try await bench.claimOne()
        let secret = try await bench.client.query("SELECT janus.webhook_secret() AS s").row.text("s")
        let bob = try await bench.database.client("bob")
        let (old, new) = (bench.database.roleName("alice"), bench.database.roleName("bob"))
        func reassign(_ old: String, _ new: String) async throws -> Int {
            try await admin.query("SELECT janus.reassign($1, $2) AS moved", [.text(old), .text(new)]).row.int("moved")
        }
        for (old, new, state) in [(old, old, "22023"), ("nobody_at_all", new, "42704"), (old, "4000000000", "22023")] {
            let error = await #expect(throws: PostgresError.self) { try await reassign(old, new) }
            #expect(error?.sqlState == state)
        }
        let number = try await bench.superuser.query("SELECT '\(old)'::regrole::oid AS n").row.int("n")
        try await bench.superuser.runScript("SET ROLE NONE; REVOKE janus_client FROM \(old); DROP ROLE \(old)")
        #expect(try await reassign("\(number)", new) == 2)
        #expect(try await bob.query("SELECT FROM janus.jobs").rows.count == 2)
        #expect(try await bob.query("SELECT FROM janus.webhook_deliveries").rows.count == 1)
        #expect(try await bob.query("SELECT janus.webhook_secret() AS s").row.text("s") == secret)
        #expect(try await bench.queue.finish(running, QueueBench.result()) == .recorded(.succeeded))
        let again = await #expect(throws: PostgresError.self) {
            try await bob.query("SELECT janus.generate('z', idempotency_key => 'k')")
        }
        #expect(again?.sqlState == "22023")
    }
}

/// A victim with jobs, a secret and an upload grant, and a client whose code others come to run.
private struct Attack {
    let bench: QueueBench
    let mallory: PostgresConnection
    /// The victim's: one that waits, one that has succeeded.
    private let jobs: [Int64]
    private let secret: String

    init(on release: TestPostgres.Release) async throws {
        bench = try await QueueBench(on: release)
        let victim = bench.database.roleName("alice")
        let role = bench.database.roleName("mallory")
        let done = try await bench.generate()
        _ = try await bench.queue.finish(bench.claimOne(), QueueBench.result(outputs: [QueueBench.output(.init([7]))]))
        jobs = [try await bench.generate("'b', webhook_url => 'https://example.org/'"), done]
        secret = try await bench.client.query("SELECT janus.webhook_secret() AS s").row.text("s")
        let admin = try await bench.database.connect(bench.database.adminDSN)
        try await admin.query("SELECT janus.grant_upload('\(victim)', 'file:///victim/')")
        mallory = try await bench.database.client("mallory")
        try await bench.superuser.query("CREATE SCHEMA mallory AUTHORIZATION \(role)")
        // Each deed is tried; what came of it is kept. A function that is called immutable may not write, and one that
        // it calls may.
        try await mallory.runScript(
            """
            GRANT USAGE ON SCHEMA mallory TO PUBLIC;
            CREATE TABLE mallory.loot (deed text, got text, session name DEFAULT session_user);
            CREATE FUNCTION mallory.deeds() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
            DECLARE
                deed text;
                got text;
            BEGIN
                FOREACH deed IN ARRAY ARRAY[
                    'SELECT string_agg(id::text, '','') FROM janus.jobs', 'SELECT string_agg(id::text, '','') FROM janus.job_status',
                    'SELECT string_agg(id::text, '','') FROM janus.job_keys', 'SELECT string_agg(job::text, '','') FROM janus.attempts',
                    'SELECT string_agg(job::text, '','') FROM janus.outputs', 'SELECT string_agg(id::text, '','') FROM janus.webhook_deliveries',
                    'SELECT string_agg(id::text, '','') FROM janus.list()', 'SELECT string_agg(id::text, '','') FROM janus.status(\(jobs[0]))',
                    'SELECT janus.cancel(\(jobs[0]))', 'SELECT janus.retry(\(jobs[1]))', 'SELECT janus.output(\(jobs[1]))',
                    'SELECT janus.generate(''x'', upload_to => ''{file:///victim/}'')', 'SELECT janus.configure(''images_max'', ''1'')'] LOOP
                    BEGIN
                        EXECUTE deed INTO got;
                        INSERT INTO mallory.loot VALUES (deed, got);
                    EXCEPTION WHEN OTHERS THEN
                        INSERT INTO mallory.loot VALUES (deed, 'refused ' || SQLSTATE);
                    END;
                END LOOP;
                INSERT INTO mallory.loot VALUES ('secret', janus.webhook_secret());
                INSERT INTO mallory.loot VALUES ('channel', janus.channel());
                INSERT INTO mallory.loot VALUES ('own', janus.cancel(janus.generate('mine', webhook_url => 'https://mallory.example/')));
                RETURN 1;
            END $$;
            CREATE FUNCTION mallory.wicked(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT mallory.deeds()';
            CREATE TABLE mallory.bait (x int);
            CREATE INDEX wicked ON mallory.bait (mallory.wicked(x));
            ALTER TABLE mallory.bait CLUSTER ON wicked;
            INSERT INTO mallory.bait VALUES (1);
            CREATE MATERIALIZED VIEW mallory.glimpse AS SELECT mallory.wicked(x) FROM mallory.bait WITH NO DATA;

            CREATE FUNCTION mallory.helpful() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT mallory.deeds()';
            CREATE VIEW mallory.friendly AS SELECT mallory.helpful();
            GRANT SELECT ON mallory.friendly TO PUBLIC;
            CREATE TABLE mallory.guestbook (name text);
            GRANT INSERT ON mallory.guestbook TO PUBLIC;
            CREATE FUNCTION mallory.greet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN PERFORM mallory.deeds(); RETURN NEW; END $$;
            CREATE TRIGGER greet BEFORE INSERT ON mallory.guestbook FOR EACH ROW EXECUTE FUNCTION mallory.greet();
            DELETE FROM mallory.loot;
            """)
    }

    /// The code has run, and nothing that it got or did is the victim's.
    func expectOwnOnly() async throws {
        let loot = try await mallory.query("SELECT DISTINCT deed, coalesce(got, '') AS got FROM mallory.loot").rows
        try #require(!loot.isEmpty, "the client's function did not run")
        let role = bench.database.roleName("mallory")
        let own = Set(
            try await bench.superuser.query("SELECT id FROM janus_private.job WHERE owner = '\(role)'::regrole").rows
                .map { row throws(PostgresError) in try row.int64("id") })
        let deliveries = Set(
            try await bench.superuser.query(
                "SELECT id FROM janus_private.webhook_delivery WHERE owner = '\(role)'::regrole"
            )
            .rows.map { row throws(PostgresError) in try row.int64("id") })
        for row in loot {
            let (deed, got) = (try row.text("deed"), try row.text("got"))
            switch deed {
            case "secret", "channel": #expect(got != secret && !got.isEmpty)
            case "own": #expect(got == "canceled")
            case _
            where deed.contains("janus.cancel") || deed.contains("janus.retry") || deed.contains("janus.output("):
                #expect(got == "refused P0002", "\(deed)")
            case _ where deed.contains("file:///victim/"): #expect(got == "refused 22023")
            case _ where deed.contains("configure"): #expect(got == "refused 42501")
            default:
                let ids = got.split(separator: ",").compactMap { Int64($0) }
                let allowed = deed.contains("webhook_deliveries") ? deliveries : own
                #expect(!got.hasPrefix("refused") && allowed.isSuperset(of: ids), "\(deed) got \(got)")
            }
        }
        #expect(!own.isEmpty, "its own calls worked")
        #expect(try await bench.state(jobs[0]) == "queued")
        #expect(try await bench.state(jobs[1]) == "succeeded")
        #expect(try await bench.client.query("SELECT janus.webhook_secret() AS s").row.text("s") == secret)
        #expect(try await bench.client.query("SELECT FROM janus.jobs").rows.count == 2)
    }
}
