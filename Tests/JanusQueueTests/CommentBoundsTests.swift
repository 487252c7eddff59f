import JanusPostgres
import TestSupport
import Testing

/// What the COMMENTs of functions say of their arguments' bounds, and Migrations/README.md after them, is what they do.
@Suite("Bounds in COMMENTs")
struct CommentBoundsTests {
    private static let functions = ["generate", "understand", "chat"]

    /// One "LOW to HIGH" or "at most HIGH" of an argument's text.
    fileprivate struct Bound: CustomStringConvertible {
        enum Measure { case value, seconds, bytes, bytesOfAnElement, elements }

        var function: String
        var argument: String
        var measure: Measure
        var low: Double?
        var high: Double
        var description: String { "\(function), \(argument): \(low.map { "\($0)" } ?? "…") … \(high) (\(measure))" }
    }

    /// An argument as the catalogue has it, and its line of the COMMENT.
    private struct Argument {
        var name: String
        var type: String
        var text: String
    }

    @Test(
        "every bound that a COMMENT names is accepted, and what is beyond it is refused with 22023",
        arguments: functions)
    func bounds(function: String) async throws {
        // no daemon was there yet, so that a model may have any name
        let database = try await TestPostgres.database()
        let (superuser, client) = (try await database.connect(), try await database.client("alice"))
        let arguments = try await Self.arguments(of: function, superuser)
        #expect(arguments.count >= 19)
        var bounds: [Bound] = []
        for argument in arguments {
            let own = try await Self.bounds(argument, function, superuser)
            if ["integer", "bigint", "real", "interval", "bytea[]", "text[]"].contains(argument.type),
                argument.name != "webhook_events"
            {
                #expect(!own.isEmpty, "the text of \(argument.name) names no bound: \(argument.text)")
            }
            bounds += own
        }
        for bound in bounds {
            for (amount, isAccepted) in Self.amounts(bound) {
                let call = try Self.call(bound, amount)
                do throws(PostgresError) {
                    try await client.query("SELECT \(call)")
                    #expect(isAccepted, "\(bound) takes \(amount): \(call.prefix(200))")
                } catch {
                    #expect(!isAccepted, "\(bound) refuses \(amount): \(error)")
                    // a message's content is called that
                    let name = bound.argument == "messages" && bound.measure == .bytes ? "content" : bound.argument
                    #expect(error.sqlState == "22023" && "\(error)".contains(name), "\(error)")
                }
            }
        }
        print("janus.\(function): \(bounds.count) bounds of its COMMENT hold")
        #expect(bounds.count >= (function == "generate" ? 16 : 20), "\(bounds)")
    }

    @Test("so do those of the other functions, and the bounds of every setting that is a number")
    func others() async throws {
        let database = try await TestPostgres.database()
        let (superuser, client) = (try await database.connect(), try await database.client("alice"))
        func attempt(_ connection: PostgresConnection, _ call: String, isAccepted: Bool) async {
            do throws(PostgresError) {
                try await connection.query("SELECT janus.\(call)")
                #expect(isAccepted, "taken: \(call)")
            } catch { #expect(!isAccepted && error.sqlState == "22023", "\(call): \(error)") }
        }
        func text(_ function: String, _ words: String) async throws {
            let row = try await superuser.query(
                "SELECT obj_description(('janus.' || $1)::regproc, 'pg_proc') AS text", [.text(function)]
            ).row
            #expect(try row.text("text").contains(words), "janus.\(function)'s text has no '\(words)'")
        }
        try await text("rotate_webhook_secret", "0 seconds to 30 days")
        for (seconds, isAccepted) in [(-1, false), (0, true), (2_592_000, true), (2_592_001, false)] {
            await attempt(
                client, "rotate_webhook_secret(make_interval(secs => \(seconds)))", isAccepted: isAccepted)
        }
        try await text("pause", "1 to 64 bytes")
        for (bytes, isAccepted) in [(0, false), (1, true), (64, true), (65, false)] {
            await attempt(superuser, "pause(repeat('q', \(bytes)))", isAccepted: isAccepted)
        }
        try await text("configure", "a text of at most 128 bytes")
        for (bytes, isAccepted) in [(128, true), (129, false)] {
            await attempt(superuser, "configure('default_model', repeat('m', \(bytes)))", isAccepted: isAccepted)
        }
        let settings = try await superuser.query(
            "SELECT key, least, most FROM janus_private.setting WHERE type = 'integer'"
        ).rows
        #expect(settings.count >= 10)
        for setting in settings {
            let (key, least, most) = (
                try setting.text("key"), try setting.int64("least"), try setting.int64("most")
            )
            for (value, isAccepted) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                await attempt(superuser, "configure('\(key)', '\(value)')", isAccepted: isAccepted)
            }
        }
    }

    private static func arguments(of function: String, _ superuser: PostgresConnection) async throws -> [Argument] {
        let rows = try await superuser.query(
            """
            SELECT a.name, format_type(a.type, NULL) AS type,
                substring(obj_description(p.oid, 'pg_proc') FROM '\\n' || a.name || ': ([^\\n]*)') AS text
            FROM pg_proc p, unnest(p.proargnames, p.proargtypes::oid[]) AS a (name, type)
            WHERE p.oid = ('janus.' || $1)::regproc
            """, [.text(function)]
        ).rows
        return try rows.map { row in
            Argument(name: try row.text("name"), type: try row.text("type"), text: try row.text("text"))
        }
    }

    private static func bounds(_ argument: Argument, _ function: String, _ superuser: PostgresConnection) async throws
        -> [Bound]
    {
        let phrase = try Regex(
            #"(?:([0-9.]+)(?: \([a-z]+\)| second)? to|at most) ([0-9]+(?:\.[0-9]+)?|[a-z_]+_max)((?: [a-z]+){0,2})"#,
            as: (Substring, Substring?, Substring, Substring).self)
        var bounds: [Bound] = []
        for match in argument.text.matches(of: phrase) {
            let high: Double
            if let number = Double(match.output.2) {
                high = number
            } else {
                let setting = try await superuser.query(
                    "SELECT value::bigint AS value FROM janus.settings WHERE key = $1", [.text(String(match.output.2))])
                high = Double(try setting.row.int64("value"))
            }
            let words = match.output.3.split(separator: " ").map(String.init)
            let measure: Bound.Measure =
                switch words.first {
                case "bytes": words.dropFirst().first == "each" ? .bytesOfAnElement : .bytes
                case "letters": .bytes
                default:
                    argument.type.hasSuffix("[]") || argument.type == "jsonb"
                        ? .elements
                        : argument.type == "interval" ? .seconds : .value
                }
            bounds.append(
                Bound(
                    function: function, argument: argument.name, measure: measure,
                    low: match.output.1.flatMap { Double($0) }, high: high))
        }
        return bounds
    }

    /// What to try, and whether it is within.
    private static func amounts(_ bound: Bound) -> [(Double, isAccepted: Bool)] {
        var amounts: [(Double, isAccepted: Bool)] = [(bound.high, true)]
        // beyond a bigint there is no value
        if bound.high < 9e18 { amounts.append((bound.high + (bound.isReal ? 0.001 : 1), false)) }
        if let low = bound.low {
            amounts.append((low, true))
            amounts.append((low - (bound.isReal ? low / 2 + (low == 0 ? 0.001 : 0) : 1), false))
        }
        return amounts
    }

    /// The call with that much of this argument, and of the others what it needs.
    private static func call(_ bound: Bound, _ amount: Double) throws -> String {
        let count = Int(clamping: Int64(exactly: amount.rounded()) ?? .max)
        let value: String
        switch (bound.measure, bound.argument) {
        case (.value, _): value = bound.isReal ? "\(amount)" : "\(count)"
        case (.seconds, _): value = "make_interval(secs => \(count))"
        case (.bytes, "webhook_url"): value = "'https://x/' || repeat('x', \(count - 10))"
        case (.bytes, "metadata"): value = "jsonb_build_object('a', repeat('x', \(count - 9)))"
        case (.bytes, "messages"): value = messages(1, content: "repeat('x', \(count))")
        case (.bytes, _): value = "repeat('x', \(count))"
        case (.bytesOfAnElement, "image_data"): value = "ARRAY[decode(repeat('00', \(count)), 'hex')]"
        case (.bytesOfAnElement, "image_urls"): value = "ARRAY['https://x/' || repeat('x', \(count - 10))]"
        case (.bytesOfAnElement, "stop"): value = "ARRAY[repeat('x', \(count))]"
        case (.elements, "image_urls"): value = "array_fill('https://x/'::text, ARRAY[\(count)])"
        case (.elements, "stop"): value = "array_fill('x'::text, ARRAY[\(count)])"
        case (.elements, "upload_to"):
            value = "(SELECT array_agg('https://x/' || n || '/') FROM generate_series(1, \(count)) AS n)"
        case (.elements, "messages"): value = messages(count, content: "'a'")
        default: throw BenchError("nobody knows how to give \(bound) such an amount")
        }
        var given = ["\(bound.argument) => \(value)"]
        switch bound.function {
        case "chat": if bound.argument != "messages" { given.append("messages => \(messages(1, content: "'a'"))") }
        default: if bound.argument != "prompt" { given.append("prompt => 'a'") }
        }
        return "janus.\(bound.function)(\(given.joined(separator: ", ")))"
    }

    /// A user's and an assistant's in turns, the first of which may be a system's so that they end with a user's.
    private static func messages(_ count: Int, content: String) -> String {
        """
        (SELECT coalesce(jsonb_agg(jsonb_build_object('content', \(content), 'role',
            CASE WHEN n = 1 AND \(count) % 2 = 0 THEN 'system' WHEN (\(count) - n) % 2 = 0 THEN 'user'
                ELSE 'assistant' END) ORDER BY n), '[]') FROM generate_series(1, \(count)) AS n)
        """
    }
}

extension CommentBoundsTests.Bound {
    fileprivate var isReal: Bool { measure == .value && ["cfg_weight", "temperature", "top_p"].contains(argument) }
}
