import Foundation
import JanusPostgres
import TestSupport
import Testing

/// A worker parses what strangers send: what one that is taken over says reaches nobody.
@Suite struct HostileWorkerTests {
    /// A daemon whose workers are hostile, in a mode of their own, and the folder that their program is in.
    private struct Hosts {
        let daemon: DaemonProcess
        let folder: TemporaryDirectory

        init(_ stage: Stage, _ mode: String) throws {
            folder = try TemporaryDirectory()
            let (program, script) = (folder.path + "/worker", TestPaths.root + "/Tests/TestSupport/hostile_worker.py")
            try "#!/bin/sh\nexec python3 \(script) \(mode) \"$@\"\n".write(
                toFile: program, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            daemon = try stage.startDaemon(["JANUSD_WORKERS_PROGRAM": program])
        }

        func wait() async throws {
            try await daemon.waitForLog("worker ready")
            try await daemon.waitForLog("database connected")
        }
    }

    @Test("one that answers truly succeeds, whatever it is")
    func sound() async throws {
        let stage = try await Stage.make()
        let hosts = try Hosts(stage, "sound")
        try await hosts.wait()
        let job = try await stage.enqueue("janus.generate('a fox', model => 'tiny')")
        try await stage.wait(job, for: "succeeded")
        _ = hosts
    }

    @Test(
        "outputs without end, twice, before the first, of impossible size or of other bytes, and a success without any: killed, and it is said",
        arguments: [
            ("many", "outside 1…"), ("repeated", "output 0 of run"), ("negative", "output -1 of run"),
            ("wide", "expected"),
            ("other-bytes", "the bytes are not of"), ("without-pictures", "after 0 of 1 outputs"),
        ])
    func outputs(mode: String, word: String) async throws {
        let stage = try await Stage.make()
        let hosts = try Hosts(stage, mode)
        try await hosts.wait()
        let job = try await stage.enqueue("janus.generate('a fox', model => 'tiny', max_attempts => 1)")
        try await stage.wait(job, for: "failed")
        let status = try await stage.status(job)
        let message = try status.text("message")
        #expect(try status.text("code") == "worker_crashed" && message.contains("against the contract"))
        #expect(message.contains(word), "\(message)")
        #expect(try status.int("output_count") == 0)
        let daemon = hosts.daemon
        try await daemon.waitForLog("against the contract")
        // the next one is started
        try await waitUntil("another worker is ready") { daemon.log.split(separator: "worker ready").count > 2 }
        #expect(daemon.isRunning)
        _ = hosts
    }

    @Test("one that would end its neighbours' jobs ends none of them")
    func neighbours() async throws {
        let stage = try await Stage.make()
        let hosts = try Hosts(stage, "neighbours")
        try await hosts.wait()
        let sound = try await stage.readyDaemon(["JANUSD_MODELS": "other=" + Reference.file("Reference/tiny/hf")])
        let worker = try #require(sound.children.first)
        kill(worker, SIGSTOP)
        let neighbour = try await stage.enqueue("janus.generate('a fox', model => 'other')")
        try await sound.waitForLog("job sent to its worker job=\(neighbour) ")
        let job = try await stage.enqueue("janus.generate('a fox', model => 'tiny', max_attempts => 1)")
        try await stage.wait(job, for: "failed")
        #expect(try await stage.status(job).text("message").contains("which this worker does not have"))
        #expect(try await stage.status(neighbour).text("state") == "running")
        kill(worker, SIGCONT)
        try await stage.wait(neighbour, for: "succeeded")
        _ = (hosts, sound)
    }

    @Test("one that says it takes two thousand million jobs takes none")
    func jobs() async throws {
        let stage = try await Stage.make()
        let hosts = try Hosts(stage, "jobs")
        let daemon = hosts.daemon
        try await daemon.waitForLog("jobsMax is 2147483647, outside 1…8")
        try await daemon.waitForLog("database connected")
        #expect(!daemon.log.contains("claim failed"))
        _ = hosts
    }

    @Test("one that writes without end fills no log, and writes no line that looks like the daemon's")
    func flood() async throws {
        let stage = try await Stage.make()
        let hosts = try Hosts(stage, "flood")
        try await hosts.wait()
        let job = try await stage.enqueue("janus.generate('a fox', model => 'tiny')")
        try await stage.wait(job, for: "succeeded")
        let log = hosts.daemon.log
        #expect(log.contains("worker says") && log.utf8.count < 1 << 20)
        #expect(!log.split(separator: "\n").contains { $0.hasPrefix("<0>") } && !log.contains("\u{1B}"))
    }

    @Test("a worker of the daemon has no capability, and memory to a limit")
    func rights() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let worker = try #require(daemon.children.first)
        let tasks = "/proc/\(worker)/task"
        for thread in try FileManager.default.contentsOfDirectory(atPath: tasks) {
            let status = try String(contentsOfFile: "\(tasks)/\(thread)/status", encoding: .utf8)
            for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                #expect(status.contains("\(name):\t0000000000000000"), "thread \(thread)")
            }
        }
        let limits = try String(contentsOfFile: "/proc/\(worker)/limits", encoding: .utf8)
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max data size") })
        #expect(!line.contains("unlimited"), "\(line)")
    }
}
