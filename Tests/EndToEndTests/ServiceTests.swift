import Foundation
import JanusPostgres
import TestSupport
import Testing

/// What the service manager hears, and what a reload changes.
@Suite struct ServiceTests {
    @Test("ready is said once the database has answered, and the status says so")
    func ready() async throws {
        let (stage, manager) = (try await Stage.make(), try NotifySocket())
        let daemon = try stage.startDaemon(["NOTIFY_SOCKET": manager.path])
        try await manager.wait(for: "READY=1")
        let before = manager.messages.prefix { $0 != "READY=1" }
        #expect(before.last { $0.hasPrefix("STATUS=") }?.hasSuffix("database connected") == true, "\(before)")
        try await daemon.waitForLog("database connected")
    }

    @Test("ready is said, too, once the database was found away, and the status says that")
    func readyWithoutDatabase() async throws {
        let (stage, manager) = (try await Stage.make(), try NotifySocket())
        let daemon = try stage.startDaemon([
            "NOTIFY_SOCKET": manager.path, "JANUSD_DATABASE_DSN": "host=127.0.0.1 port=1 dbname=shop user=nobody",
        ])
        try await manager.wait(for: "READY=1")
        let before = manager.messages.prefix { $0 != "READY=1" }
        #expect(before.last { $0.hasPrefix("STATUS=") }?.hasSuffix("database away") == true, "\(before)")
        try await daemon.waitForLog("database not usable")
    }

    /// A daemon with a configuration file of its own, in which `lines` stand.
    private struct Configured {
        let stage: Stage
        let manager: NotifySocket
        let folder: TemporaryDirectory
        let daemon: DaemonProcess
        var file: String { folder.path + "/janusd.yaml" }

        init(_ lines: String) async throws {
            stage = try await Stage.make()
            manager = try NotifySocket()
            folder = try TemporaryDirectory()
            try lines.write(toFile: folder.path + "/janusd.yaml", atomically: true, encoding: .utf8)
            daemon = try stage.startDaemon(
                [
                    "NOTIFY_SOCKET": manager.path, "JANUSD_NETWORK_ALLOW_HTTP": "", "JANUSD_NETWORK_ALLOW": "",
                    "JANUSD_LOG_LEVEL": "",
                ], arguments: ["--config", folder.path + "/janusd.yaml"])
            try await daemon.waitForLog("worker ready")
            try await manager.wait(for: "READY=1")
        }

        /// Writes the file anew and has it read, for the n-th time.
        func reload(_ lines: String, _ count: Int) async throws {
            try lines.write(toFile: file, atomically: true, encoding: .utf8)
            daemon.signal(SIGHUP)
            try await manager.wait(for: "RELOADING=1|MONOTONIC_USEC=", count: count)
            try await manager.wait(for: "READY=1", count: 1 + count)
        }

        /// Asks about a picture of the receiver.
        func question() async throws -> Int64 {
            try await stage.enqueue(
                "janus.understand('What is it?', image_urls => ARRAY[$1], max_tokens => 2, max_attempts => 1)",
                [.text(stage.receiver.url("/image/red.png"))])
        }
    }

    @Test("SIGHUP changes what may be reached and how much is logged; what needs a restart is named")
    func reload() async throws {
        let configured = try await Configured("network:\n  allow_http: true\nlog:\n  level: info\n")
        let (stage, daemon) = (configured.stage, configured.daemon)
        let refused = try await configured.question()
        try await stage.wait(refused, for: "failed")
        #expect(try await stage.status(refused).text("code") == "input_forbidden")
        #expect(!daemon.log.contains(" debug "))
        let worker = try #require(daemon.children.first)

        try await configured.reload(
            "network:\n  allow_http: true\n  allow: [127.0.0.0/8]\nupload:\n  at_once: 8\nlog:\n  level: debug\n"
                + "workers:\n  jobs: 3\n", 1)
        try await daemon.waitForLog("configuration reloaded changed=network.allow,upload.at_once,log.level")
        try await daemon.waitForLog("needs a restart settings=workers.jobs")
        let allowed = try await configured.question()
        try await stage.wait(allowed, for: "succeeded")
        try await daemon.waitForLog(" debug ")
        #expect(daemon.children.first == worker, "the worker was left alone")

        try await configured.reload("network:\n  allow_http: true\n", 2)
        let again = try await configured.question()
        try await stage.wait(again, for: "failed")
        #expect(try await stage.status(again).text("code") == "input_forbidden")
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
    }

    @Test(
        "of a configuration that is invalid nothing is taken over, and it is said",
        arguments: [
            ("network:\n  allow: [127.0.0.0/99]\nlog:\n  level: debug\n", "network.allow"),
            ("network:\n  alow: []\n", "network.alow"), ("log: [\n", "janusd.yaml"),
            ("network:\n  ca_file: /nonexistent/ca.pem\n", "/nonexistent/ca.pem"),
            ("network:\n  ca_file: /etc/passwd\n", "no certificate"),
        ])
    func invalid(lines: String, word: String) async throws {
        let good = "network:\n  allow_http: true\n  allow: [127.0.0.0/8]\n"
        let configured = try await Configured(good)
        try await configured.reload(lines, 1)
        let daemon = configured.daemon
        try await daemon.waitForLog("configuration not reloaded")
        let line = try #require(daemon.log.split(separator: "\n").first { $0.contains("configuration not reloaded") })
        #expect(line.contains(word), "\(line)")
        let job = try await configured.question()
        try await configured.stage.wait(job, for: "succeeded")
        try await configured.reload(good, 2)
        try await daemon.waitForLog("configuration reloaded changed=nothing")
    }

    @Test("a running job outlives a reload")
    func runningJob() async throws {
        let configured = try await Configured("log:\n  level: debug\n")
        let (job, worker) = try await configured.stage.heldJob(configured.daemon)
        try await configured.reload("log:\n  level: debug\nshutdown:\n  grace_seconds: 7\n", 1)
        kill(worker, SIGCONT)
        try await configured.stage.wait(job, for: "succeeded")
        #expect(try await configured.stage.attempts(job) == ["succeeded"])
        configured.daemon.signal(SIGTERM)
        try await configured.daemon.waitForLog("grace_seconds=7")
    }
}
