import Foundation
import JanusPostgres
import TestSupport
import Testing

/// What README.md shows is what happens.
@Suite struct TranscriptTests {
    @Test("README's transcript can be pasted and prints what it says")
    func transcript() async throws {
        let commands = try Self.commands()
        #expect(commands.count >= 10 && commands.filter { !$0.printed.isEmpty }.count >= 4)
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-transcript-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        // One shell runs it all, as a reader's does, with each command's output in a file of its own. It runs in a folder
        // whose entries are the repository's, so that what the transcript writes does not stay in the repository.
        var script = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
        for entry in try FileManager.default.contentsOfDirectory(atPath: TestPaths.root) {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + entry, withDestinationPath: TestPaths.root + "/" + entry)
        }
        for (index, command) in commands.enumerated() {
            script += "exec >'\(folder.path)/\(index).out'\n\(command.line)\n"
        }
        script += "exec >'\(folder.path)/stop.out'\nkill %1\nwait %1\n"
        let shell = try DaemonProcess(
            URL(filePath: "/bin/bash"), ["-c", "cd \"$0\" && eval \"$1\"", folder.path, script],
            environment: [
                "PGHOST": "127.0.0.1", "PGPORT": "\(server.port)", "PGUSER": "postgres", "LANG": "C.UTF-8",
                "HOME": folder.path,
            ])
        let status = try await shell.waitForExit(within: 240)
        let log = (try? String(contentsOfFile: folder.path + "/janusd.log", encoding: .utf8)) ?? ""
        #expect(status == 0, "\(shell.log)\n\(log)")
        for (index, command) in commands.enumerated() where !command.printed.isEmpty {
            let printed = Self.lines(try String(contentsOfFile: "\(folder.path)/\(index).out", encoding: .utf8))
            #expect(printed == command.printed, "after '\(command.line)'")
        }
    }

    /// Deploy/demo as it is, on the programs that this test belongs to. Not held: that what it begins with installs all that a
    /// fresh Debian lacks and builds in release.
    @Test("README's one command draws pictures and describes one, to its last line")
    func demo() async throws {
        let blocks = try Self.blocks("console")
        let commands = try #require(blocks.first).split(separator: "\n")
        try #require(commands.count == 1 && commands[0].hasPrefix("$ Deploy/demo "), "\(commands)")

        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-demo-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["Deploy", ".build", "bin"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: name), withIntermediateDirectories: true)
        }
        func link(_ name: String, to path: String) throws {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: path)
        }
        for entry in ["Tests", "Migrations"] { try link(entry, to: TestPaths.root + "/" + entry) }
        for entry in try FileManager.default.contentsOfDirectory(atPath: TestPaths.root + "/Deploy")
        where entry != "install-packages" { try link("Deploy/" + entry, to: TestPaths.root + "/Deploy/" + entry) }
        try link(".build/release", to: try Reference.executable("janusd").deletingLastPathComponent().path)
        try link("Deploy/install-packages", to: "/bin/true")
        try link("bin/swift", to: "/bin/true")
        let demo = try DaemonProcess(
            URL(filePath: "/bin/bash"), ["\(folder.path)/Deploy/demo"],
            environment: [
                "PATH": "\(folder.path)/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": NSHomeDirectory(),
                "TMPDIR": folder.path, "LANG": "C.UTF-8",
            ])
        let status = try await demo.waitForExit(within: 240)
        try await waitUntil("its output has come") { status != 0 || demo.log.contains("Done.") }
        #expect(status == 0, "\(demo.log)")
        for title in [
            "1. Packages and build", "2. A private PostgreSQL", "3. An HTTP endpoint for uploads and webhooks",
            "4. janusd serve", "5. Text to image: a job by SQL, as role shop",
            "6. A picture understood: the first image goes back in, as bytea", "9. Stop",
        ] { #expect(demo.log.contains(title), "\(title)") }
        #expect(demo.log.contains("| succeeded |") && demo.log.contains(" a red circle on the left"), "\(demo.log)")
        #expect(demo.log.components(separatedBy: "| delivered |").count == 3, "two webhooks: \(demo.log)")
        // nothing is left behind: only the pictures are
        let made = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasPrefix("janusd-demo.")
        }
        #expect(made.count == 1)
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/\(made.first ?? "")/postgres"))
    }

    @Test("README's Python takes a real webhook of janusd, and refuses one that was changed")
    func webhookSnippet() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.understand('Hi', max_tokens => 2, webhook_url => $1)", [.text(stage.receiver.url("/hook/readme"))])
        let call = try #require(try await stage.receiver.waitForRequests("/hook/readme").first)
        let secret = try await stage.client.query("SELECT janus.webhook_secret() AS secret").row.text("secret")
        let snippet = try #require(Self.blocks("python").first)
        #expect(snippet.contains("whsec_…"))
        let program = """
            \(snippet.replacing("whsec_…", with: secret))
            import base64, json, sys
            headers, body = json.loads(sys.argv[1]), base64.b64decode(sys.argv[2])
            hook(headers, body)
            try:
                hook(headers, body.replace(b"succeeded", b"succeedec"))
            except Exception as error:
                print("refused:", type(error).__name__)
            """
        let headers = String(decoding: try JSONEncoder().encode(call.headers), as: UTF8.self)
        let python = try DaemonProcess(
            URL(filePath: TestPaths.root + "/Deploy/python"),
            ["-c", program, headers, call.body.base64EncodedString()], environment: ["HOME": NSHomeDirectory()])
        #expect(try await python.waitForExit(within: 120) == 0, "\(python.log)")
        try await waitUntil("its last line") { python.log.hasSuffix("\n") }
        #expect(python.log == "job.succeeded \(job) succeeded\nrefused: WebhookVerificationError\n")
        _ = daemon
    }

    @Test("README's SQL runs as it is written, by a client, behind the two jobs of its transcript")
    func sql() async throws {
        let stage = try await Stage.make()
        let client = try await stage.database.clientDSN("reader")
        let connection = try await stage.database.connect(client)
        let daemon = try await stage.readyDaemon()
        for call in ["janus.generate('a red fox', seed => 1)", "janus.understand('Hi', max_tokens => 2)"] {
            let job = try await connection.query("SELECT \(call) AS id").row.int64("id")
            try await stage.wait(job, for: "succeeded", as: connection)
        }
        // so that its examples stay in the queue: nobody calls example.org
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0, "\(daemon.log)")
        let blocks = try Self.blocks("sql")
        try #require(blocks.count == 1)
        let psql = try TestProcess.run(
            URL(filePath: "/usr/bin/env"), ["psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", client],
            environment: ["LANG": "C.UTF-8"], input: .text(blocks[0]))
        #expect(psql.status == 0 && psql.errors.isEmpty, "\(psql.errors)")
        let lines = psql.output.split(separator: "\n").map(String.init)
        try #require(lines.count > 7, "\(lines)")
        #expect(Array(lines[..<3]) == ["3", "4", "5"])
        #expect(lines[3].contains("queued"), "\(lines[3])")
        #expect(lines[4].hasPrefix("\\x89504e47"), "a PNG's bytes")
        #expect(Array(lines[5...6]) == ["canceled", "queued"])
        #expect(lines[7...].count == 5, "TABLE janus.jobs has the five: \(lines)")
    }

    @Test("a role's own channel speaks whenever one of its jobs ended")
    func finished() async throws {
        let stage = try await Stage.make()
        let channel = try await stage.client.query("SELECT janus.channel() AS name").row.text("name")
        let listener = try await stage.database.client("listener")
        try await listener.query("LISTEN \(channel)")
        func next() async throws -> [String] {
            try await listener.notifications(withinSeconds: 60).map { "\($0.channel) \($0.payload)" }
        }
        let canceled = try await stage.enqueue("janus.generate('a red fox', run_at => now() + interval '1 day')")
        try await stage.client.query("SELECT janus.cancel($1)", [.int(canceled)])
        #expect(try await next() == ["\(channel) "])
        let daemon = try await stage.readyDaemon()
        let drawn = try await stage.enqueue("janus.generate('a red fox')")
        #expect(try await next() == ["\(channel) "])
        #expect(try await stage.status(drawn).text("state") == "succeeded")
        _ = daemon
    }

    /// A line after `$ ` and what README shows below it.
    private struct Command {
        var line: String
        var printed: [String] = []
    }

    /// Of the console block that sets up a database. One line is left out and no other: the one that installs and
    /// builds, as this test is part of that build.
    private static func commands() throws -> [Command] {
        let block = try #require(blocks("console").first { $0.contains("createdb") })
        var commands: [Command] = []
        for line in block.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("$ ") {
                commands.append(Command(line: String(line.dropFirst(2))))
            } else {
                try #require(!commands.isEmpty)
                commands[commands.count - 1].printed += lines(line)
            }
        }
        let build = "Deploy/install-packages && swift build -c release"
        #expect(commands.filter { $0.line == build }.count == 1)
        return commands.filter { $0.line != build }
    }

    /// Fenced blocks of README.md in a language.
    private static func blocks(_ language: String) throws -> [String] {
        let parts = try String(contentsOfFile: TestPaths.root + "/README.md", encoding: .utf8).split(
            separator: "\n```", omittingEmptySubsequences: false)
        return stride(from: 1, to: parts.count, by: 2).map { parts[$0] }
            .filter { $0.hasPrefix(language + "\n") }.map { String($0.dropFirst(language.count + 1)) }
    }

    /// Without empty ones, and without the spaces that psql puts at their ends.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map { line in
            String(line.reversed().drop { $0 == " " }.reversed())
        }.filter { !$0.isEmpty }
    }
}
