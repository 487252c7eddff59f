import Foundation
import JanusModel
import JanusTensor
import TestSupport
import JanusWire
import Testing

@Suite("janus-worker with a cache of packs")
struct WorkerPackTests {
    private static func packs(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0 != PackCache.lockName }
    }

    @Test("two that start at once: one packs, the other waits, both serve the same file")
    func together() throws {
        let cache = try TemporaryDirectory()
        let arguments = ["--precision", "int8", "--packs", cache.path]
        // with the lock held both find no pack and must wait
        var lock: FileLock? = try FileLock(path: cache.path + "/" + PackCache.lockName) {}
        let workers = [try WorkerProcess(arguments: arguments), try WorkerProcess(arguments: arguments)]
        for line in try workers.map({ try $0.errorLine() }) {
            #expect(line.contains("waiting for another process that packs tiny in int8"), "\(line)")
        }
        lock = nil
        let ready = try workers.map { try $0.ready() }
        #expect(ready[0].fingerprint == ready[1].fingerprint && ready[0].fingerprint.hasPrefix("int8/"))
        let files = try Self.packs(cache.path)
        #expect(files.count == 1 && files[0].hasPrefix("tiny-") && files[0].hasSuffix(".int8.pack.safetensors"))
        for worker in workers { worker.closeSocket() }
        let said = try workers.map { try $0.standardError() }
        #expect(said.count { $0.contains("packing tiny in int8 into") } == 1, "\(said)")
        #expect(said.count { $0.contains("100 %") } == 1, "\(said)")
        _ = lock
        // a third one finds it
        let third = try WorkerProcess(arguments: arguments)
        #expect(try third.ready().fingerprint == ready[0].fingerprint)
        third.closeSocket()
        #expect(try third.standardError() == "")
    }

    @Test("a packer that is killed leaves no pack, and the next one removes its remains")
    func killed() throws {
        let cache = try TemporaryDirectory()
        let arguments = ["--precision", "int4", "--packs", cache.path]
        let first = try WorkerProcess(arguments: arguments)
        _ = try first.errorLine()  // it is at it
        kill(first.pid, SIGKILL)
        _ = try first.exitStatus()
        let second = try WorkerProcess(arguments: arguments)
        _ = try second.ready()
        let packs = try Self.packs(cache.path)
        #expect(packs.count == 1 && packs[0].hasSuffix(".int4.pack.safetensors"), "\(packs)")
    }

    /// A worker in a shell that first does something to the cache `$0`, and lists the cache afterwards.
    private func fail(_ setting: String, cache: String, isolated: Bool) throws -> TestProcess.Result {
        let script = "\(setting); \"$@\"; status=$?; echo left: $(ls -A \"$0\") >&2; exit $status"
        let worker = [
            try Reference.executable("janus-worker").path, "--socket", "0", "--model", tinyFolder, "--threads", "1",
            "--precision", "int8", "--packs", cache,
        ]
        let shell = ["/bin/bash", "-c", script, cache] + worker
        let command = isolated ? ["/usr/bin/unshare", "--user", "--map-root-user", "--mount"] + shell : shell
        return try TestProcess.run(URL(filePath: command[0]), Array(command.dropFirst()), input: .held)
    }

    @Test("a limit on file sizes is said with the directory, and nothing is left")
    func limited() throws {
        let cache = try TemporaryDirectory()
        let result = try fail("ulimit -f 64", cache: cache.path, isolated: false)
        #expect(result.status == 78, "\(result)")
        #expect(result.errors.contains("File too large") && result.errors.contains(cache.path), "\(result.errors)")
        #expect(try Self.packs(cache.path).isEmpty)
    }

    /// Whether this user may mount a file system for itself.
    static let mayMount: Bool = {
        do {
            return try TestProcess.run(
                URL(filePath: "/usr/bin/unshare"),
                ["--user", "--map-root-user", "--mount", "/bin/mount", "-t", "tmpfs", "tmpfs", "/mnt"]
            ).status == 0
        } catch { return false }
    }()

    @Test(
        "a full disk and a read-only one are said, and nothing is left",
        .enabled(if: mayMount, "this user may not mount file systems"))
    func fullAndReadOnly() throws {
        let cache = try TemporaryDirectory()
        let full = try fail("mount -t tmpfs -o size=64k tmpfs \"$0\"", cache: cache.path, isolated: true)
        #expect(full.status == 78 && full.errors.contains("No space left on device"), "\(full)")
        #expect(full.errors.contains(cache.path) && full.errors.contains("cache.directory"), "\(full)")
        #expect(full.errors.contains("left: \(PackCache.lockName)\n"), "\(full)")
        let readOnly = try fail("mount -t tmpfs -o ro tmpfs \"$0\"", cache: cache.path, isolated: true)
        #expect(readOnly.status == 78 && readOnly.errors.contains("Read-only file system"), "\(readOnly)")
        #expect(readOnly.errors.contains(cache.path) && readOnly.errors.hasSuffix("left:\n"), "\(readOnly)")
    }

    @Test("a precision that does not exist is an error of arguments")
    func noSuchPrecision() throws {
        let worker = try WorkerProcess(arguments: ["--precision", "int9", "--packs", "/tmp"])
        #expect(try worker.exitStatus() == 64)
        #expect(try worker.standardError().contains("int8"))
    }
}
