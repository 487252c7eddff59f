import JanusHTTP
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Enqueueing")
struct EnqueueTests {
    /// Calls with one bad argument each, and what the message says of it.
    static let refusals: [(call: String, says: String)] = [
        ("generate('')", "prompt is empty: it needs 1 to 16384 bytes"),
        ("generate(E' \\n\\t')", "prompt is white space"),
        ("generate(NULL)", "prompt is NULL"),
        ("generate(repeat('é', 8193))", "prompt has 16386 bytes: the limit is 16384"),
        ("generate('a', images => 0)", "images is 0: it must be between 1 and 16"),
        ("generate('a', images => 17)", "images is 17: it must be between 1 and 16"),
        ("generate('a', images => NULL)", "images is NULL"),
        ("generate('a', seed => -1)", "seed is -1"),
        ("generate('a', cfg_weight => 'NaN')", "cfg_weight is NaN: it must be between 0 and 30"),
        ("generate('a', cfg_weight => 31)", "cfg_weight is 31"),
        ("generate('a', cfg_weight => NULL)", "cfg_weight is NULL"),
        ("generate('a', temperature => '-infinity')", "temperature is -Infinity"),
        ("generate('a', temperature => 'NaN')", "temperature is NaN"),
        ("generate('a', top_k => -1)", "top_k is -1"),
        ("generate('a', format => 'gif')", "format is 'gif': it must be png, jpeg or webp"),
        ("generate('a', format => NULL)", "format is NULL"),
        ("generate('a', priority => 10)", "priority is 10: it must be between 0 and 9"),
        ("generate('a', priority => NULL)", "priority is NULL"),
        ("generate('a', run_at => 'infinity')", "run_at is infinity"),
        ("generate('a', expires_at => now() - interval '1 s')", "expires_at is "),
        ("generate('a', expires_at => 'infinity')", "expires_at is infinity"),
        ("generate('a', run_at => now() + interval '2 h', expires_at => now() + interval '1 h')", "after run_at"),
        ("generate('a', max_attempts => 0)", "max_attempts is 0: it must be between 1 and 25"),
        ("generate('a', run_timeout => '0 s')", "run_timeout (in seconds) is 0"),
        ("generate('a', run_timeout => '2 days')", "run_timeout (in seconds) is 172800"),
        ("generate('a', run_timeout => NULL)", "run_timeout (in seconds) is NULL"),
        ("generate('a', idempotency_key => '')", "idempotency_key is empty"),
        ("generate('a', idempotency_key => repeat('k', 256))", "idempotency_key has 256 bytes: the limit is 255"),
        ("generate('a', webhook_url => 'ftp://x/y')", "webhook_url is ftp://x/y: it must be a URL"),
        ("generate('a', webhook_url => 'http://x/y')", "http:// is not allowed here"),
        ("generate('a', webhook_url => 'https://user:secret@x/y')", "webhook_url is"),
        ("generate('a', webhook_url => 'https://x/a b')", "webhook_url is"),
        ("generate('a', webhook_url => 'https://x/#f')", "webhook_url is"),
        ("generate('a', webhook_url => 'https://x/b c')", "it has a blank"),
        ("generate('a', webhook_url => 'https://x/ü')", "it has a blank, or another character that a URL cannot hold"),
        ("generate('a', webhook_url => 'https://bücher.example/')", "the name of its host is not in ASCII"),
        ("generate('a', webhook_url => 'https://x:99999/')", "its port must be between 1 and 65535"),
        ("generate('a', webhook_url => 'https://x:0/')", "its port must be between 1 and 65535"),
        ("generate('a', webhook_url => 'https://[::1/')", "it must be a URL"),
        ("generate('a', webhook_url => 'https://a,b/')", "it must be a URL"),
        ("generate('a', webhook_url => 'https:/x/')", "it must be a URL"),
        ("generate('a', webhook_url => 'HTTP://x/y')", "http:// is not allowed here"),
        (
            "generate('a', upload_to => '{https://bücher.example/}')",
            "upload_to[1] is https://bücher.example/: the name"
        ),
        ("generate('a', images => 2, upload_to => '{HTTPS://x/a}')", "upload_to has 1 exact URLs for 2 outputs"),
        ("understand('a', image_urls => '{https://x:70000/}')", "image_urls[1] is https://x:70000/: its port"),
        (
            "generate('a', webhook_url => 'https://' || repeat('x', 5000))",
            "webhook_url has 5008 bytes: the limit is 4096"
        ),
        ("generate('a', webhook_events => '{done}')", "webhook_events contains 'done'"),
        ("generate('a', webhook_events => '{failed,failed}')", "webhook_events names an event twice"),
        ("generate('a', webhook_events => ARRAY[NULL])", "webhook_events contains NULL"),
        ("generate('a', webhook_events => NULL)", "webhook_events is NULL"),
        ("generate('a', webhook_events => '{}', webhook_url => 'https://x/')", "webhook_events is empty"),
        ("generate('a', upload_to => '{s3://bucket/x}')", "s3:// is not a sink"),
        ("generate('a', upload_to => '{gopher://x}')", "its scheme is not"),
        ("generate('a', upload_to => '{file:///out/}')", "may not upload there"),
        ("generate('a', upload_to => '{file:///out}')", "it must be a folder"),
        ("generate('a', upload_to => '{file:///ours/../etc/}')", "it must be a folder"),
        ("generate('a', upload_to => '{file:///ours/%2e%2e/}')", "it must be a folder"),
        ("generate('a', upload_to => '{http://x/}')", "http:// is not allowed here"),
        ("generate('a', upload_to => ARRAY[NULL])", "upload_to contains NULL"),
        ("generate('a', upload_to => NULL)", "upload_to is NULL"),
        ("generate('a', images => 2, upload_to => '{https://x/a}')", "upload_to has 1 exact URLs for 2 outputs"),
        ("generate('a', upload_to => '{db:,db:}')", "upload_to names a sink twice"),
        ("generate('a', upload_to => '{{db:},{db:}}')", "upload_to has several dimensions"),
        ("generate('a', model => 'nosuch')", "model is 'nosuch': no daemon ever served it"),
        ("generate('a', model => '')", "model is empty"),
        ("generate('a', queue => 'a b')", "queue is 'a b'"),
        ("generate('a', queue => NULL)", "queue is NULL"),
        ("generate('a', concurrency_key => ' ')", "concurrency_key is white space"),
        ("generate('a', traceparent => '00-xyz')", "traceparent is '00-xyz'"),
        ("generate('a', traceparent => '00-' || repeat('0', 32) || '-b7ad6b7169203331-01')", "traceparent is"),
        ("generate('a', metadata => '[]')", "metadata is of type array"),
        ("generate('a', metadata => NULL)", "metadata is NULL"),
        ("generate('a', metadata => jsonb_build_object('a', repeat('x', 20000)))", "metadata has 20009 bytes"),
        ("understand('')", "prompt is empty"),
        ("understand(NULL, image_data => ARRAY['\\x00'::bytea])", "prompt is NULL"),
        ("understand('a', image_urls => '{ftp://x/}')", "image_urls[1] is ftp://x/"),
        ("understand('a', image_urls => ARRAY[NULL])", "image_urls contains NULL"),
        ("understand('a', image_urls => '{http://x/}')", "http:// is not allowed here"),
        (
            "understand('a', image_urls => array_fill('https://x/'::text, ARRAY[9]))",
            "image_urls has 9 elements: the limit is 8"
        ),
        ("understand('a', image_data => ARRAY[''::bytea])", "image_data[1], in bytes, is 0"),
        (
            "understand('a', image_data => ARRAY[decode(repeat('00', 20971521), 'hex')])",
            "image_data[1], in bytes, is 20971521: it must be between 1 and 20971520"
        ),
        (
            "understand('a', image_urls => array_fill('https://x/'::text, ARRAY[5]), image_data => array_fill('\\x00'::bytea, ARRAY[4]))",
            "in pictures, is 9"
        ),
        ("understand('a', max_tokens => 0)", "max_tokens is 0"),
        ("understand('a', max_tokens => 4097)", "max_tokens is 4097: it must be between 1 and 4096"),
        ("understand('a', top_p => 0)", "top_p is 0"),
        ("understand('a', top_p => 'NaN')", "top_p is NaN"),
        ("understand('a', temperature => NULL)", "temperature is NULL"),
        ("understand('a', system_prompt => '')", "system_prompt is empty"),
        ("understand('a', stop => '{\"\"}')", "stop[1], in bytes, is 0"),
        ("understand('a', stop => array_fill('x'::text, ARRAY[9]))", "stop has 9 elements: the limit is 8"),
        ("chat(NULL)", "messages is NULL"),
        ("chat('{}')", "messages is of type object"),
        ("chat('[]')", "messages, in messages, is 0"),
        ("chat('[1]')", "messages[0] is of type number"),
        ("chat('[{\"role\": \"user\"}]')", "messages[0] lacks role or content"),
        ("chat('[{\"role\": \"user\", \"content\": 1}]')", "messages[0] lacks role or content"),
        ("chat('[{\"role\": \"user\", \"content\": \"a\", \"name\": 1}]')", "messages[0] has the unknown key 'name'"),
        ("chat('[{\"role\": \"assistant\", \"content\": \"a\"}]')", "user is expected there"),
        (
            "chat('[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}]')",
            "assistant is expected there"
        ),
        (
            "chat('[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]')",
            "does not end with a user message"
        ),
        ("chat('[{\"role\": \"system\", \"content\": \"a\"}]')", "does not end with a user message"),
        (
            "chat('[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"system\", \"content\": \"b\"}]')",
            "assistant is expected there"
        ),
        (
            "chat('[{\"role\": \"system\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}]', system_prompt => 'c')",
            "both given"
        ),
        ("chat('[{\"role\": \"user\", \"content\": \"\"}]')", "the content of user message 1 is empty"),
        ("chat('[{\"role\": \"user\", \"content\": \"a\", \"images\": 1}]')", "messages name 1 pictures"),
        ("chat('[{\"role\": \"user\", \"content\": \"a\", \"images\": 1.5}]')", "it must be a whole number"),
        (
            "chat('[{\"role\": \"user\", \"content\": \"a\", \"images\": 0}]', image_data => ARRAY['\\x00'::bytea])",
            "messages name 0 pictures"
        ),
    ]

    @Test("every bad argument is refused with 22023, naming it, its value and the limit, with a hint")
    func refusals() async throws {
        let bench = try await QueueBench()
        for (call, says) in Self.refusals {
            let error = await #expect(throws: PostgresError.self, "accepted: \(call)") {
                try await bench.client.query("SELECT janus.\(call)")
            }
            guard case .server(let refusal) = error else { throw BenchError("\(call): \(String(describing: error))") }
            #expect(refusal.sqlState == "22023" && refusal.hint != nil, "\(call): \(refusal)")
            #expect(refusal.message.contains(says), "\(call): \(refusal.message)")
        }
        #expect(try await bench.count("janus_private.job") == 0)
    }

    @Test("what is at the limits is accepted")
    func limits() async throws {
        let bench = try await QueueBench()
        for call in [
            "generate(repeat('x', 16384), images => 16, cfg_weight => 0, temperature => 0, top_k => 16384, priority => 9)",
            "generate('a', seed => 9223372036854775807, upload_to => '{db:,https://x/out/,https://y:8443/a?sig=1}')",
            "generate('a', webhook_events => '{started,progress}', run_at => now() - interval '1 day')",
            "understand('', image_data => ARRAY['\\x00'::bytea], top_p => 0.0001, stop => ARRAY[E'\\n'])",
            "understand('', image_urls => array_fill('https://x/'::text, ARRAY[8]))",
            "chat('[{\"role\": \"user\", \"content\": \"\", \"images\": 1}]', image_data => ARRAY['\\x00'::bytea])",
        ] { try await bench.client.query("SELECT janus.\(call)") }
        #expect(try await bench.claim(10).count == 6)
    }

    @Test("a URL that no daemon can carry is refused with the form to give instead")
    func forms() async throws {
        let bench = try await QueueBench()
        for (url, says) in [
            ("https://bücher.example/a", "Give the xn-- form of the name"),
            ("https://x/a b/ü?sig=secret", "Percent-encode it, as in https://x/a%20b/%C3%BC"),
        ] {
            let error = await #expect(throws: PostgresError.self) {
                try await bench.client.query("SELECT janus.generate('a', webhook_url => $1)", [.text(url)])
            }
            guard case .server(let refusal) = error else { throw BenchError("\(String(describing: error))") }
            #expect(refusal.hint?.hasPrefix(says) == true && !"\(refusal)".contains("secret"), "\(refusal)")
        }
    }

    @Test("whatever SQL takes for a URL, daemons can carry")
    func carried() async throws {
        let bench = try await QueueBench()
        let urls = [
            "https://x", "HTTPS://X/", "https://x/a%20b?c=d&e", "https://x:443/", "https://x:65535", "https://x:/a",
            "https://[2001:db8::1]:8443/a", "https://a_b.example/~x", "https://x?sig=1",
            "https://xn--bcher-kva.example/",
            "https://x/a\\b|{}\"<>^`'", "https://1.2.3.4/", "https://x/" + String(repeating: "a", count: 4086),
            "https://x/é", "https://x y/", "https://x:65536/", "https://x:a/", "https://[::1", "https://[::g]/",
            "https://x#a",
            "https://a@x/", "https://?", "https://:80/", "https://x/\u{7f}", "https:///x", "https://x%20y/",
            "https://x\\y/",
            "https://x:443:443/", "https://[::1]x/", "https://[1.2.3.4]/", "https://~/", "https://-x/", "https://x../",
        ]
        var accepted: [String] = []
        for url in urls {
            do {
                try await bench.client.query("SELECT janus.generate('a', webhook_url => $1)", [.text(url)])
                accepted.append(url)
                #expect(throws: Never.self, "SQL took \(url)") { try HTTPURL(url) }
            } catch {
                #expect(error.sqlState == "22023", "\(url): \(error)")
            }
        }
        #expect(accepted.count >= 13, "\(accepted)")
    }

    @Test("a job that is rolled back never was; a committed one wakes listeners once a transaction")
    func transactional() async throws {
        let bench = try await QueueBench()
        let listener = try await bench.database.connect()
        try await listener.query("LISTEN janus_queued")
        try await bench.client.query("BEGIN")
        try await bench.generate()
        try await bench.client.query("ROLLBACK")
        try await bench.client.query("SELECT janus.generate('a') FROM generate_series(1, 5)")
        #expect(try await bench.count("janus_private.job") == 5)
        let first = try await listener.notifications(withinSeconds: 30)
        #expect(first.map(\.channel) == ["janus_queued"] && first.map(\.payload) == [""])
    }

    @Test("seeds left out are random and shown; the model is the default one")
    func resolution() async throws {
        let bench = try await QueueBench()
        let (a, b) = (try await bench.generate(), try await bench.generate())
        #expect(try await bench.column("seed", a) != bench.column("seed", b))
        #expect(try await bench.column("model", a) == QueueBench.model)
    }

    @Test("jobs that came before the first daemon get its model when it registers")
    func beforeTheFirstDaemon() async throws {
        let database = try await TestPostgres.database()
        let client = try await database.client("early")
        let id = try await client.query("SELECT janus.generate('a') AS id").row.int64("id")
        let queue = try QueueBench.queue(database)
        try await queue.register(models: ["nano", "tiny"], queues: ["default"], version: "1")
        #expect(try await queue.claim(model: "nano", queues: ["default"], capacity: 1).map(\.run.job) == [id])
    }

    @Test("a job that was enqueued before the first daemon came, and committed after, gets its model too")
    func besideTheFirstDaemon() async throws {
        let database = try await TestPostgres.database()
        let client = try await database.client("early")
        try await client.query("BEGIN")
        let id = try await client.query("SELECT janus.generate('a') AS id").row.int64("id")
        let queue = try QueueBench.queue(database)
        try await queue.register(models: ["nano", "tiny"], queues: ["default"], version: "1")
        try await client.query("COMMIT")
        #expect(try await queue.claim(model: "nano", queues: ["default"], capacity: 1).isEmpty)
        #expect(try await queue.nameDefaultModel(["nano", "tiny"]) == 1)
        #expect(try await queue.nameDefaultModel(["nano", "tiny"]) == 0)
        #expect(try await queue.claim(model: "nano", queues: ["default"], capacity: 1).map(\.run.job) == [id])
    }

    @Test(
        "an idempotency key gives the first job back, also when times and query strings differ; other content is refused"
    )
    func idempotency() async throws {
        let bench = try await QueueBench()
        let arguments = "'a', idempotency_key => 'k', metadata => '{\"b\": 1, \"a\": 2}'"
        let first = try await bench.generate(
            "\(arguments), webhook_url => 'https://x/?t=1', expires_at => now() + interval '1 h'")
        let again = try await bench.generate(
            "\(arguments), webhook_url => 'https://x/?t=2', expires_at => now() - interval '1 h', run_at => now()")
        #expect(first == again)
        let error = await #expect(throws: PostgresError.self) {
            try await bench.generate("'b', idempotency_key => 'k'")
        }
        #expect(error?.sqlState == "22023" && "\(error!)".contains("idempotency_key 'k' was used for job \(first)"))
        await #expect(throws: PostgresError.self) { try await bench.generate("\(arguments), seed => 1") }
        let prompt = await #expect(throws: PostgresError.self) {
            try await bench.generate(
                "\(arguments.replacing("'a'", with: "'b'", maxReplacements: 1)), webhook_url => 'https://x/'")
        }
        #expect(prompt?.sqlState == "22023", "the prompt alone makes another job")
        let other = try await bench.database.client("bob")
        let others = try await other.query("SELECT janus.generate('b', idempotency_key => 'k') AS id").row.int64("id")
        #expect(others != first)
    }

    @Test("two calls with one key at one moment make one job")
    func idempotencyRace() async throws {
        let bench = try await QueueBench()
        let dsn = bench.database.server.dsn(bench.database.name, user: bench.database.roleName("alice"))
        let ids = try await withThrowingTaskGroup(of: Int64.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let connection = try await bench.database.connect(dsn)
                    return try await connection.query("SELECT janus.generate('a', idempotency_key => 'k') AS id").row
                        .int64("id")
                }
            }
            return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        #expect(try await bench.count("janus_private.job") == 1)
    }

    @Test("a call means the same whatever its session has set")
    func sessions() async throws {
        let bench = try await QueueBench()
        let calls = [
            "janus.generate('sss', cfg_weight => 1.1, temperature => 0.7, idempotency_key => 'k', run_timeout => '90 s')",
            "janus.understand('a\u{5C}b', image_data => '{\"\\\\x00ff\"}', top_p => 0.3, idempotency_key => 'l')",
        ]
        var ids: [Int64] = []
        for call in calls { ids.append(try await bench.client.query("SELECT \(call) AS id").row.int64("id")) }
        for setting in [
            "extra_float_digits = 0", "extra_float_digits = -15", "standard_conforming_strings = off",
            "intervalstyle = iso_8601",
            "datestyle = 'SQL, DMY'", "bytea_output = escape", "timezone = 'Asia/Kathmandu'", "search_path = ''",
        ] {
            // the call's own text is read by the session's rules, so it is prepared before
            for (call, id) in zip(calls, ids) {
                try await bench.client.query("PREPARE again AS SELECT \(call) AS id")
                try await bench.client.query("SET \(setting)")
                #expect(try await bench.client.query("EXECUTE again").row.int64("id") == id, "\(setting): \(call)")
                try await bench.client.runScript("RESET ALL; DEALLOCATE again")
            }
        }
    }
}
