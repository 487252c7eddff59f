import CProcess
import Foundation
import JanusSystem
import Testing

/// What a worker gets of the supervisor, with a shell in its place that tells what it sees.
@Suite("child processes")
struct ChildProcessTests {
    private struct End: Equatable {
        var code: Int32
        var bySignal = false
    }

    /// A child, and our end of its socket.
    private struct Child {
        let pidfd: Int32
        let socket: Int32

        /// What it wrote to its socket until it closed it.
        func output() -> String {
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe read(socket, &buffer, buffer.count)
                guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
                bytes += buffer.prefix(count)
            }
        }

        func end() -> End {
            var (code, bySignal): (Int32, Int32) = (0, 0)
            #expect(janus_wait_exit(pidfd, 60_000) == 1)
            #expect(unsafe janus_reap(pidfd, &code, &bySignal) == 0)
            close(pidfd)
            close(socket)
            return End(code: code, bySignal: bySignal != 0)
        }
    }

    /// - Parameter output: its standard output and error; nil: ours.
    private func spawn(
        _ program: String, _ arguments: [String], environment: [String] = [], output: Int32 = STDERR_FILENO
    ) throws -> (child: Child?, error: Int32) {
        var (ours, theirs, pidfd): (Int32, Int32, Int32) = (-1, -1, -1)
        try #require(unsafe janus_socketpair(&ours, &theirs) == 0)
        let pid = unsafe withCStrings([program] + arguments) { arguments in
            unsafe withCStrings(environment) { environment in
                unsafe janus_spawn(program, arguments, environment, theirs, output, 500, &pidfd)
            }
        }
        close(theirs)
        guard pid > 0 else {
            close(ours)
            return (nil, -pid)
        }
        return (Child(pidfd: pidfd, socket: ours), 0)
    }

    private func shell(_ script: String, environment: [String] = []) throws -> Child {
        try #require(try spawn("/bin/sh", ["-c", script], environment: environment).child)
    }

    @Test("it has its socket as descriptor 3, nothing to read, and none of our other descriptors")
    func descriptors() throws {
        // open without O_CLOEXEC, as a library might
        let leak = unsafe open("/dev/null", O_RDONLY)
        defer { close(leak) }
        #expect(leak > 3)
        let child = try shell(
            #"exec >&3; for f in /proc/self/fd/*; do [ -e "$f" ] && echo "${f##*/}"; done; read -r line || echo end"#)
        #expect(child.output().split(separator: "\n") == ["0", "1", "2", "3", "end"])
        #expect(child.end() == End(code: 0))
    }

    @Test("what it writes to standard output and error goes where its supervisor says")
    func output() throws {
        var (reading, writing): (Int32, Int32) = (-1, -1)
        try #require(unsafe janus_pipe(&reading, &writing) == 0)
        let child = try #require(
            try spawn("/bin/sh", ["-c", "echo out; echo error >&2"], output: writing).child)
        close(writing)
        #expect(child.end() == End(code: 0))
        var buffer = [UInt8](repeating: 0, count: 100)
        let count = unsafe read(reading, &buffer, buffer.count)
        #expect(String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self) == "out\nerror\n")
        // nobody else holds it
        #expect(unsafe read(reading, &buffer, buffer.count) == 0)
        close(reading)
    }

    @Test("it has no capability, and cannot gain one")
    func capabilities() throws {
        let child = try shell("exec >&3; while read -r line; do echo \"$line\"; done </proc/self/status")
        let lines = child.output().split(separator: "\n")
        for name in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            let line = try #require(lines.first { $0.hasPrefix(name) })
            #expect(line.hasSuffix("\t0000000000000000"), "\(line)")
        }
        #expect(lines.contains("NoNewPrivs:\t1"))
        // who may lower the bounding set has lowered it
        if geteuid() == 0 { #expect(lines.contains("CapBnd:\t0000000000000000")) }
        #expect(child.end() == End(code: 0))
    }

    @Test("its environment is what it is given, and it goes first when memory runs out")
    func environment() throws {
        let child = try shell(
            "exec >&3; /usr/bin/env; read -r score </proc/self/oom_score_adj; echo $score",
            environment: ["JANUS=1", "OTHER=two words"])
        let lines = child.output().split(separator: "\n").filter { !$0.hasPrefix("PWD=") && !$0.hasPrefix("_=") }
        #expect(lines == ["JANUS=1", "OTHER=two words", "500"] || lines == ["OTHER=two words", "JANUS=1", "500"])
        #expect(child.end() == End(code: 0))
    }

    @Test("it ignores and blocks no signal that we do")
    func signals() throws {
        signal(SIGUSR2, SIG_IGN)
        defer { signal(SIGUSR2, SIG_DFL) }
        let child = try shell("exec >&3; while read -r line; do echo \"$line\"; done </proc/self/status")
        let lines = child.output().split(separator: "\n")
        for name in ["SigIgn:", "SigBlk:"] {
            let line = try #require(lines.first { $0.hasPrefix(name) })
            let mask = try #require(UInt64(line.dropFirst(name.count).filter { !$0.isWhitespace }, radix: 16))
            // two belong to the C library's threads, which lets nobody set them
            let reserved: UInt64 = 1 << 31 | 1 << 32
            #expect(mask & ~reserved == 0, "\(line)")
        }
        #expect(child.end() == End(code: 0))
    }

    @Test("a program that cannot be started is an error by its number")
    func missing() throws {
        let (child, error) = try spawn("/nonexistent", [])
        #expect(child == nil && error == ENOENT)
    }

    @Test("it dies with the thread that started it, and so with the whole supervisor, whatever it does")
    func parentDeath() async throws {
        let started = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: Result { try self.spawn("/bin/sleep", ["20"]).child })
            }
        }
        let child = try #require(try started.get())
        #expect(child.end() == End(code: SIGKILL, bySignal: true))
    }

    @Test("its end is waited for and told: a status, or a signal")
    func ends() throws {
        let status = try shell("exit 7")
        #expect(status.end() == End(code: 7))
        let stopped = try shell("read -r line <&3")
        #expect(janus_wait_exit(stopped.pidfd, 0) == 0)
        #expect(janus_signal(stopped.pidfd, SIGTERM) == 0)
        #expect(stopped.end() == End(code: SIGTERM, bySignal: true))
    }
}
