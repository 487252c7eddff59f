import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Owners and their keys take turns")
struct FairnessTests {
    /// Enqueues as a client: the arguments of janus.generate in SQL, several times.
    private func generate(_ client: PostgresConnection, _ arguments: String = "'a'", times: Int = 1)
        async throws -> [Int64]
    {
        try await client.query("SELECT janus.generate(\(arguments)) AS id FROM generate_series(1, \(times))").rows.map {
            row throws(PostgresError) in try row.int64("id")
        }
    }

    private func end(_ claims: [ClaimedJob], _ queue: JobQueue) async throws {
        for claim in claims { _ = try await queue.finish(claim, QueueBench.result()) }
    }

    @Test("a newcomer's job is in the next claim, however many an owner has queued before")
    func newcomer() async throws {
        let bench = try await QueueBench()
        _ = try await generate(bench.client, times: 200)
        #expect(try await bench.claim(4).count == 4)
        let bob = try await bench.database.client("bob")
        let job = try await generate(bob)
        #expect(try await bench.claim(1).map(\.run.job) == job)
    }

    @Test("the owner that runs the fewest is first; of equals the one that was served the longest ago")
    func turns() async throws {
        let bench = try await QueueBench()
        let bob = try await bench.database.client("bob")
        let carol = try await bench.database.client("carol")
        for client in [bench.client, bob, carol] { _ = try await generate(client, times: 9) }
        // one each, then two, then three
        for share in 1...3 {
            _ = try await bench.claim(3)
            let shares = try await bench.superuser.query(
                "SELECT count(*) AS n FROM janus_private.run GROUP BY owner ORDER BY n")
            #expect(try shares.rows.map { row throws(PostgresError) in try row.int("n") } == [share, share, share])
        }
        try await bench.superuser.query("DELETE FROM janus_private.run")
        // nobody runs anything now: one place goes round
        var served: [String] = []
        for _ in 0..<6 {
            let claims = try await bench.claim(1)
            served += claims.map(\.owner)
            try await end(claims, bench.queue)
        }
        #expect(Set(served.prefix(3)).count == 3 && served.prefix(3) == served.suffix(3))
    }

    @Test("an owner without jobs for a while is no newcomer: whoever enqueues one by one has no more than a turn")
    func oneByOne() async throws {
        let bench = try await QueueBench()
        let bob = try await bench.database.client("bob")
        let name = bench.database.roleName("bob")
        _ = try await generate(bench.client, times: 20)
        var served: [String] = []
        for _ in 0..<8 {
            if try await bench.count("janus_private.job WHERE state = 'queued' AND owner = '\(name)'::regrole") == 0 {
                _ = try await generate(bob)
            }
            let claims = try await bench.claim(1)
            served += claims.map(\.owner)
            try await end(claims, bench.queue)
        }
        #expect(served.count { $0 == name } == 4)
    }

    @Test("an owner's keys take turns as owners do; keys of one name belong to their owners")
    func keys() async throws {
        let bench = try await QueueBench()
        let first = try await generate(bench.client, "'a', concurrency_key => 'busy'", times: 5)
        let other = try await generate(bench.client, "'a', concurrency_key => 'rare'")
        #expect(Set(try await bench.claim(2).map(\.run.job)) == [first[0], other[0]])
        let bob = try await bench.database.client("bob")
        let bobs = try await generate(bob, "'a', concurrency_key => 'busy'", times: 2)
        #expect(Set(try await bench.claim(3).map(\.run.job)) == [bobs[0], bobs[1], first[1]])
    }

    @Test("what is handed over keeps its place, what is tried again goes behind")
    func place() async throws {
        let bench = try await QueueBench()
        let jobs = try await generate(bench.client, times: 3)
        _ = try await bench.queue.finish(bench.claimOne(), .released(reason: "x"))
        let again = try await bench.claimOne()
        #expect(again.run.job == jobs[0])
        _ = try await bench.queue.finish(again, .failed(JobError(.workerCrashed, "x")))
        #expect(try await bench.claim(3).map(\.run.job) == [jobs[1], jobs[2], jobs[0]])
    }

    @Test("owners that a daemon leaves out are left out, and others are not")
    func excluded() async throws {
        let bench = try await QueueBench()
        _ = try await generate(bench.client, times: 3)
        let bob = try await bench.database.client("bob")
        let job = try await generate(bob)
        let claims = try await bench.queue.claim(
            model: QueueBench.model, queues: ["default"], capacity: 4,
            excludedOwners: [bench.database.roleName("alice"), "nobody of that name"])
        #expect(claims.map(\.run.job) == job)
    }

    @Test("a job is found whenever it comes: beside a claim, late, moved, or in a lane that was asleep")
    func arrivals() async throws {
        let bench = try await QueueBench()
        // a transaction that stays open holds up neither others nor, once it commits, its own
        try await bench.client.query("BEGIN")
        let late = try await generate(bench.client)
        let bob = try await bench.database.client("bob")
        let bobs = try await generate(bob)
        #expect(try await bench.claim(5).map(\.run.job) == bobs)
        #expect(try await bench.claim(5).isEmpty)
        try await bench.client.query("COMMIT")
        #expect(try await bench.claim(5).map(\.run.job) == late)
        #expect(try await bench.claim(5).isEmpty)

        let soon = try await generate(bench.client, "'a', run_at => clock_timestamp() + interval '0.3 s'")
        let tomorrow = try await generate(bench.client, "'a', run_at => now() + interval '1 day'")
        #expect(try await bench.count("janus_private.lane WHERE is_waiting") == 0)
        var found: [Int64] = []
        try await waitUntil("the job is due") {
            found += try await bench.claim(5).map(\.run.job)
            return !found.isEmpty
        }
        #expect(found == soon)
        try await bench.superuser.query(
            "UPDATE janus_private.job SET due_at = now() WHERE id = $1", [.int(tomorrow[0])])
        #expect(try await bench.claim(5).map(\.run.job) == tomorrow)
        let moved = try await generate(bench.client, "'a', queue => 'nobodys'")
        #expect(try await bench.claim(5).isEmpty)
        try await bench.superuser.query(
            "UPDATE janus_private.job SET queue = 'default' WHERE id = $1", [.int(moved[0])])
        #expect(try await bench.claim(5).map(\.run.job) == moved)
    }

    @Test("jobs that expired are passed over, and hold up nobody but those behind them until they are failed")
    func expired() async throws {
        let bench = try await QueueBench()
        _ = try await generate(bench.client, "'a', expires_at => now() + interval '1 h'", times: 100)
        let live = try await generate(bench.client)
        let bob = try await bench.database.client("bob")
        let bobs = try await generate(bob)
        try await bench.superuser.query("UPDATE janus_private.job SET expires_at = now() WHERE expires_at IS NOT NULL")
        #expect(try await bench.claim(4).map(\.run.job) == bobs)
        #expect(try await bench.queue.expireQueued() == 100)
        var found: [Int64] = []
        try await waitUntil("the lane is looked at again") {
            found += try await bench.claim(4).map(\.run.job)
            return !found.isEmpty
        }
        #expect(found == live)
    }

    @Test("an owner that somebody else is serving at this moment is served all the same, unless it has a limit")
    func served() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        let jobs = try await generate(bench.client, times: 40)
        #expect(try await bench.claim(1).map(\.run.job) == [jobs[0]])
        try await bench.superuser.query("BEGIN")
        try await bench.superuser.query(
            "SELECT FROM janus_private.tenant WHERE owner = '\(alice)'::regrole FOR UPDATE")
        #expect(try await bench.claim(2).map(\.run.job) == [jobs[1], jobs[2]])
        try await bench.superuser.query("COMMIT")

        let admin = try await bench.database.connect()
        try await admin.query("SELECT janus.limit_owner('\(alice)', running => 30)")
        try await bench.superuser.query("BEGIN")
        try await bench.superuser.query(
            "SELECT FROM janus_private.tenant WHERE owner = '\(alice)'::regrole FOR UPDATE")
        let bob = try await bench.database.client("bob")
        let bobs = try await generate(bob)
        #expect(try await bench.claim(2).map(\.run.job) == bobs)
        #expect(try await bench.claim(2).isEmpty)
        try await bench.superuser.query("COMMIT")
        #expect(try await bench.claim(2).map(\.run.job) == [jobs[3], jobs[4]])
    }

    @Test("lanes that nobody needs any more are removed, others are not")
    func tidy() async throws {
        let bench = try await QueueBench()
        let waiting = try await generate(
            bench.client, "'a', run_at => now() + interval '1 day', concurrency_key => 'later'")
        let canceled = try await generate(bench.client, "'a', queue => 'nobodys'")
        try await bench.client.query("SELECT janus.cancel($1)", [.int(canceled[0])])
        _ = try await generate(bench.client, "'a', concurrency_key => 'done'")
        try await end(try await bench.claim(5), bench.queue)
        #expect(try await bench.queue.tidyLanes() == 0)
        try await bench.superuser.query(
            """
            UPDATE janus_private.key_lane SET looked_at = looked_at - interval '2 h', served_at = served_at - interval '2 h'
            """)
        #expect(try await bench.queue.tidyLanes() == 2)
        #expect(try await bench.queue.tidyLanes() == 0)
        #expect(try await bench.count("janus_private.lane") == 1)
        try await bench.superuser.query("UPDATE janus_private.job SET due_at = now() WHERE id = $1", [.int(waiting[0])])
        #expect(try await bench.claim(5).map(\.run.job) == waiting)
        // many are removed by one call
        try await bench.superuser.query(
            """
            INSERT INTO janus_private.key_lane (lane, key, is_waiting, looked_at)
            SELECT l.id, 'old' || n, false, now() - interval '2 h' FROM janus_private.lane l, generate_series(1, 2500) AS n
            """)
        #expect(try await bench.queue.tidyLanes() == 2500)
        // what comes to a lane that was removed makes it anew
        let anew = try await generate(bench.client, "'a', concurrency_key => 'done'")
        #expect(try await bench.claim(5).map(\.run.job) == anew)
    }

    @Test("whoever enqueued much at once, or has much that becomes due at once, keeps nobody else waiting")
    func crowds() async throws {
        let bench = try await QueueBench()
        // each call is an arrival of its own, more than one claim takes to their lanes
        _ = try await generate(bench.client, times: 400)
        let bob = try await bench.database.client("bob")
        let bobs = try await generate(bob)
        #expect(Set(try await bench.claim(2).map(\.owner)).count == 2)
        #expect(try await bench.count("janus_private.run WHERE job = \(bobs[0])") == 1)
        #expect(try await bench.count("janus_private.arrival") > 0)

        try await bench.superuser.query("DELETE FROM janus_private.run")
        try await bench.client.query(
            """
            SELECT janus.generate('a', priority => 4, concurrency_key => 'k' || n, run_at => now() + interval '1 h')
            FROM generate_series(1, 400) AS n
            """)
        let later = try await generate(bob, "'a', priority => 4, run_at => now() + interval '61 min'")
        _ = try await bench.queue.digestArrivals(models: ["tiny"], queues: ["default"])
        #expect(try await bench.count("janus_private.arrival") == 0)
        for table in ["job SET due_at", "key_lane SET wakes_at", "lane SET wakes_at"] {
            let column = table.split(separator: " ")[2]
            try await bench.superuser.runScript(
                """
                SET session_replication_role = replica;
                UPDATE janus_private.\(table) = \(column) - interval '2 h' WHERE \(column) > now();
                RESET session_replication_role
                """)
        }
        #expect(try await bench.claim(2).map(\.run.job).contains(later[0]))
    }

    @Test("what was rolled back was never there, also in part")
    func rolledBack() async throws {
        let bench = try await QueueBench()
        try await bench.client.query("BEGIN")
        _ = try await generate(bench.client, "'a', concurrency_key => 'gone'")
        try await bench.client.query("ROLLBACK")
        try await bench.client.query("BEGIN")
        try await bench.client.query("SAVEPOINT here")
        _ = try await generate(bench.client)
        try await bench.client.query("ROLLBACK TO here")
        let kept = try await generate(bench.client)
        try await bench.client.query("COMMIT")
        #expect(try await bench.claim(5).map(\.run.job) == kept)
        #expect(try await bench.count("janus_private.key_lane") == 1)
    }

    @Test("an administrator's open transaction holds up nobody")
    func openLimit() async throws {
        let bench = try await QueueBench()
        let bob = try await bench.database.client("bob")
        let admin = try await bench.database.connect()
        try await admin.query("BEGIN")
        let role = bench.database.roleName("bob")
        try await admin.query(
            "SELECT janus.limit_owner('\(role)', running => 1), janus.limit_key('\(role)', 'k', running => 1)")
        let jobs = try await generate(bob, "'a', concurrency_key => 'k'", times: 2)
        #expect(try await bench.claim(1).map(\.run.job) == [jobs[0]])
        try await admin.query("COMMIT")
        #expect(try await bench.claim(1).isEmpty)
    }

    @Test("jobs of a role that is gone run on, and are left out by its number")
    func droppedRole() async throws {
        let bench = try await QueueBench()
        let role = bench.database.roleName("alice")
        let number = try await bench.superuser.query("SELECT '\(role)'::regrole::oid::text AS n").row.text("n")
        let jobs = try await generate(bench.client, times: 2)
        await bench.client.close()
        try await bench.superuser.query("DROP ROLE \(role)")
        let left = try await bench.queue.claim(
            model: QueueBench.model, queues: ["default"], capacity: 1, excludedOwners: [number, "9999999999"])
        #expect(left.isEmpty)
        let claims = try await bench.claim(2)
        #expect(claims.map(\.run.job) == jobs && claims.map(\.owner) == [number, number])
        try await end(claims, bench.queue)
    }

    @Test("a claim in a transaction that sees no news is refused, naming the setting")
    func isolation() async throws {
        let bench = try await QueueBench()
        try await bench.superuser.query(
            """
            ALTER ROLE test_daemon IN DATABASE \(bench.database.name) SET default_transaction_isolation = 'repeatable read'
            """)
        let queue = try QueueBench.queue(bench.database)
        let error = await #expect(throws: QueueError.self) {
            try await queue.claim(model: QueueBench.model, queues: ["default"], capacity: 1)
        }
        #expect("\(error as Any)".contains("need transaction isolation read committed: here it is repeatable read"))
    }
}
