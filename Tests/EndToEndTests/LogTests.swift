import Foundation
import JanusPostgres
import TestSupport
import Testing

/// A log that cannot be written keeps nobody from working.
@Suite struct LogTests {
    @Test("a full disk behind the log loses lines, which are counted, and no job", arguments: [">/dev/full", ">&-"])
    func unwritable(errors: String) async throws {
        let (stage, manager) = (try await Stage.make(), try NotifySocket())
        let daemon = try stage.startDaemon(["NOTIFY_SOCKET": manager.path], errors: errors)
        try await manager.wait(forStatus: "1 of 1 workers ready, database connected")
        let job = try await stage.enqueue("janus.generate('a fox')")
        try await stage.wait(job, for: "succeeded")
        // what was closed is /dev/null by now, and the database's connection is not
        if errors == ">/dev/full" { try await manager.wait(forStatus: " log lines lost") }
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
    }

    @Test("a reader that goes away loses lines and no job; a worker that has something to say starts all the same")
    func readerGone() async throws {
        let (stage, manager, pipe) = (try await Stage.make(), try NotifySocket(), try NamedPipe())
        let cache = try TemporaryDirectory()
        let daemon = try stage.startDaemon(
            [
                "NOTIFY_SOCKET": manager.path, "JANUSD_PRECISION": "int8",
                "JANUSD_CACHE_DIRECTORY": cache.path + "/packs",
            ], errors: ">" + pipe.path)
        try await waitUntil("it logs") { pipe.bytes > 0 }
        pipe.close()
        try await manager.wait(forStatus: "1 of 1 workers ready, database connected")
        let job = try await stage.enqueue("janus.generate('a fox')")
        try await stage.wait(job, for: "succeeded")
        try await manager.wait(forStatus: " log lines lost")
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
        _ = cache
    }

    @Test("a reader that stops reading keeps no job waiting, nor the end")
    func readerStopped() async throws {
        let (stage, pipe) = (try await Stage.make(), try NamedPipe())
        let daemon = try stage.startDaemon(["JANUSD_LOG_LEVEL": "trace"], errors: ">" + pipe.path)
        func work() async throws {
            let job = try await stage.enqueue("janus.generate('a fox')")
            try await stage.wait(job, for: "succeeded")
        }
        for _ in 0..<100 where !pipe.isFull { try await work() }
        #expect(pipe.isFull, "\(pipe.bytes) bytes")
        for _ in 0..<3 { try await work() }
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
        #expect(pipe.isFull, "nobody has read")
    }
}

/// A pipe with a name that is open for reading, holds next to nothing, and is not read.
private final class NamedPipe {
    private static let setPipeSize: Int32 = 1031
    private let folder: TemporaryDirectory
    /// nil once closed: the number may then belong to another file.
    private var descriptor: Int32?
    let path: String

    init() throws {
        folder = try TemporaryDirectory()
        path = folder.path + "/log"
        guard unsafe mkfifo(path, 0o600) == 0 else { throw WaitingError("no pipe: errno \(errno)") }
        // without waiting for a writer
        let opened = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { throw WaitingError("the pipe cannot be opened: errno \(errno)") }
        _ = fcntl(opened, Self.setPipeSize, 4096)
        descriptor = opened
    }

    deinit { close() }

    func close() {
        if let descriptor { _ = Foundation.close(descriptor) }
        descriptor = nil
    }

    /// Whether one of janusd's lines finds no room.
    var isFull: Bool { bytes > 4096 - 512 }

    /// Written and not read.
    var bytes: Int32 {
        var waiting: Int32 = 0
        if let descriptor { _ = unsafe ioctl(descriptor, UInt(FIONREAD), &waiting) }
        return waiting
    }
}
