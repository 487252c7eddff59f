import Foundation
import JanusPostgres
import TestSupport
import Testing

/// A checkpoint served in a packed precision: the first start packs it.
@Suite struct PackServingTests {
    @Test("the first start packs, its workers share one file, and the second start finds it")
    func firstStart() async throws {
        let stage = try await Stage.make()
        let cache = try TemporaryDirectory()
        let settings = [
            "JANUSD_PRECISION": "int8", "JANUSD_CACHE_DIRECTORY": cache.path + "/packs", "JANUSD_WORKERS_COUNT": "2",
        ]
        let first = try await stage.readyDaemon(settings)
        try await waitUntil("both workers are ready") { first.log.split(separator: "worker ready").count == 3 }
        #expect(first.log.split(separator: "packing tiny in int8 into").count == 2, "\(first.log)")
        #expect(first.log.contains("int8"))
        let job = try await stage.enqueue("janus.generate('a red fox', seed => 1)")
        try await stage.wait(job, for: "succeeded")
        first.signal(SIGTERM)
        #expect(try await first.waitForExit() == 0)
        let packs = try FileManager.default.contentsOfDirectory(atPath: cache.path + "/packs")
        #expect(packs.count { $0.hasSuffix(".pack.safetensors") } == 1 && !packs.contains { $0.hasSuffix(".partial") })

        let second = try await stage.readyDaemon(settings)
        #expect(!second.log.contains("packing"), "\(second.log)")
        let again = try await stage.enqueue("janus.generate('a red fox', seed => 1)")
        try await stage.wait(again, for: "succeeded")
        #expect(try await stage.status(again).text("sha256") == stage.status(job).text("sha256"))
    }

    @Test("a cache that cannot be written shows in the log, and janusd goes on trying")
    func unwritable() async throws {
        let stage = try await Stage.make()
        let daemon = try stage.startDaemon([
            "JANUSD_PRECISION": "int8", "JANUSD_CACHE_DIRECTORY": "/dev/null/packs",
        ])
        try await daemon.waitForLog("worker ended")
        try await daemon.waitForLog("/dev/null/packs")
        try await daemon.waitForLog("cache.directory")
        #expect(daemon.isRunning)
    }

    @Test("a precision or a width of keys and values that does not exist and a cache with no place are named")
    func settings() async throws {
        let model = ["JANUSD_DATABASE_DSN": "dbname=x", "JANUSD_MODELS": "tiny=" + Reference.file("Reference/tiny/hf")]
        func said(_ more: [String: String]) async throws -> String {
            let daemon = try DaemonProcess(
                Reference.executable("janusd"), ["serve"], environment: model.merging(more) { $1 })
            #expect(try await daemon.waitForExit() != 0)
            try await waitUntil("it has said why") { daemon.log.contains("\n") }
            return daemon.log
        }
        let wrong = try await said(["JANUSD_PRECISION": "int9"])
        #expect(wrong.contains("precision is 'int9', expected f32, bf16, int8, int4"), "\(wrong)")
        let width = try await said(["JANUSD_WORKERS_CACHE_FORMAT": "f32"])
        #expect(width.contains("workers.cache_format is 'f32', expected bf16, int8"), "\(width)")
        let nowhere = try await said(["JANUSD_PRECISION": "int8", "HOME": ""])
        #expect(nowhere.contains("cache.directory is not set"), "\(nowhere)")
    }
}
