import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Limits of owners and keys")
struct LimitTests {
    private func limit(_ bench: QueueBench, _ call: String) async throws {
        try await bench.superuser.query("SELECT janus.\(call)")
    }

    @Test(
        "no two daemons together run more of an owner than its limit, and all of it is run", arguments: [false, true])
    func running(byKey: Bool) async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        try await limit(
            bench, byKey ? "limit_key('\(alice)', 'k', running => 3)" : "limit_owner('\(alice)', running => 3)")
        let total = 60
        try await bench.client.query(
            """
            SELECT janus.generate('a', concurrency_key => \(byKey ? "'k'" : "NULL")) FROM generate_series(1, \(total))
            """)
        let most = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                let queue = try await bench.otherQueue()
                let watcher = try await bench.database.connect()
                group.addTask {
                    var most = 0
                    while try await watcher.query(
                        "SELECT count(*) AS n FROM janus_private.job WHERE state = 'queued'"
                    ).row.int("n") > 0 {
                        let claims = try await queue.claim(model: "tiny", queues: ["default"], capacity: 2)
                        most = max(
                            most, try await watcher.query("SELECT count(*) AS n FROM janus_private.run").row.int("n"))
                        for claim in claims { _ = try await queue.finish(claim, QueueBench.result()) }
                    }
                    return most
                }
            }
            return try await group.reduce(0, max)
        }
        #expect(most <= 3 && most >= 2)
        #expect(try await bench.count("janus_private.job WHERE state = 'succeeded'") == total)
    }

    @Test("an owner at its limit lets others by, and a key at its limit the other keys")
    func blocked() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        try await limit(bench, "limit_key('\(alice)', 'one', running => 1)")
        try await bench.client.query("SELECT janus.generate('a', concurrency_key => 'one') FROM generate_series(1, 60)")
        let claim = try await bench.claim(5)
        #expect(claim.count == 1)
        let free = try await bench.generate("'a', concurrency_key => 'two'")
        let bare = try await bench.generate()
        #expect(Set(try await bench.claim(5).map(\.run.job)) == [free, bare])
        #expect(try await bench.claim(5).isEmpty)
        _ = try await bench.queue.finish(claim[0], QueueBench.result())
        #expect(try await bench.claim(5).count == 1)

        try await limit(bench, "limit_owner('\(alice)', running => 3)")
        let bob = try await bench.database.client("bob")
        let bobs = try await bob.query("SELECT janus.generate('a') AS id").row.int64("id")
        try await bench.generate()
        #expect(try await bench.claim(5).map(\.run.job) == [bobs])
    }

    @Test("an owner's limit holds for all of its lanes together, and counts what runs")
    func lanes() async throws {
        let bench = try await QueueBench()
        try await limit(bench, "limit_owner('\(bench.database.roleName("alice"))', running => 3)")
        for queue in ["default", "slow"] {
            try await bench.client.query(
                "SELECT janus.generate('a', queue => '\(queue)') FROM generate_series(1, 5)")
        }
        #expect(try await bench.claim(1).count == 1)
        #expect(try await bench.claim(9, queues: ["default", "slow"]).count == 2)
        #expect(try await bench.claim(9, queues: ["default", "slow"]).isEmpty)
    }

    @Test("limits left out are those of the settings; a key's own goes before its owner's for keys")
    func defaults() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        try await bench.superuser.query("SELECT janus.configure('key_running_max', '1')")
        try await limit(bench, "limit_key('\(alice)', 'b', running => 2)")
        for key in ["a", "b", "c"] {
            try await bench.client.query(
                "SELECT janus.generate('a', concurrency_key => '\(key)') FROM generate_series(1, 4)")
        }
        #expect(try await bench.claim(12).count == 4)
        try await limit(bench, "limit_owner('\(alice)', key_running => 3)")
        #expect(try await bench.claim(12).count == 4)
        try await bench.superuser.query("SELECT janus.configure('owner_running_max', '9')")
        try await limit(bench, "limit_owner('\(alice)')")
        try await bench.superuser.query("SELECT janus.configure('key_running_max', NULL)")
        #expect(try await bench.claim(12).count == 1)
    }

    @Test("more queued jobs than allowed are refused, naming role, number and limit; others and repeats are not")
    func queued() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        try await limit(bench, "limit_owner('\(alice)', queued => 3, key_queued => 1)")
        let first = try await bench.generate("'a', idempotency_key => 'i'")
        try await bench.generate("'a', concurrency_key => 'k'")
        let key = await #expect(throws: PostgresError.self) { try await bench.generate("'a', concurrency_key => 'k'") }
        #expect(key?.sqlState == "53400" && "\(key as Any)".contains("has 1 queued jobs with concurrency_key 'k'"))
        let many = await #expect(throws: PostgresError.self) {
            try await bench.client.query("SELECT janus.batch('{a,b}')")
        }
        #expect(many?.sqlState == "53400" && "\(many as Any)".contains("role \(alice) has 2 queued jobs: with 2 more"))
        try await bench.generate()
        let one = await #expect(throws: PostgresError.self) { try await bench.generate() }
        #expect("\(one as Any)".contains("the limit is 3"))
        #expect(try await bench.generate("'a', idempotency_key => 'i'") == first)
        let bob = try await bench.database.client("bob")
        try await bob.query("SELECT janus.generate('a') FROM generate_series(1, 5)")
        // running jobs, one of alice's and one of bob's, do not wait; what is tried again does
        #expect(try await bench.claim(2).count == 2)
        let canceled = try await bench.generate()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(canceled)])
        try await bench.generate()
        let again = await #expect(throws: PostgresError.self) {
            try await bench.client.query("SELECT janus.retry($1)", [.int(canceled)])
        }
        #expect(again?.sqlState == "53400")
    }

    @Test("a claim for any number of places takes what is there, to a bound")
    func places() async throws {
        let bench = try await QueueBench()
        try await bench.client.query("SELECT janus.batch(array_fill('a'::text, '{1100}'))")
        #expect(try await bench.claim(.max).count == 1024)
        #expect(try await bench.claim(.max).count == 76)
    }

    @Test("limits are an administrator's, and nonsense is refused")
    func refusals() async throws {
        let bench = try await QueueBench()
        let alice = bench.database.roleName("alice")
        let client = await #expect(throws: PostgresError.self) {
            try await bench.client.query("SELECT janus.limit_owner('\(alice)', running => 9)")
        }
        #expect(client?.sqlState == "42501")
        for (call, says) in [
            ("limit_owner('nobody of that name')", "there is no such role"), ("limit_owner(NULL)", "role is NULL"),
            ("limit_owner('\(alice)', running => 0)", "running is 0: it must be between 1 and 1000000"),
            ("limit_owner('\(alice)', key_queued => -1)", "key_queued is -1"),
            ("limit_key('\(alice)', '')", "key is empty"),
            ("limit_key('\(alice)', 'k', queued => 1000001)", "queued is 1000001"),
        ] {
            let error = await #expect(throws: PostgresError.self) { try await limit(bench, call) }
            #expect(error?.sqlState == "22023" && error.map { "\($0)".contains(says) } == true, "\(call)")
        }
    }
}
