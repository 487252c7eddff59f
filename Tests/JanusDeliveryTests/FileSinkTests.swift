import Foundation
import JanusDelivery
import JanusJob
import Testing

@Suite("Outputs as files")
struct FileSinkTests {
    private let job = UUID()

    private func object(_ text: String, index: Int = 0) -> JobOutput {
        JobOutput(index: index, format: .image(.png, width: 1, height: 1), data: Data(text.utf8))
    }

    private func deliver(_ outputs: [JobOutput], to sinks: [String], by uploader: Uploader) async throws -> [JobOutput]
    {
        try await uploader.deliver(
            outputs, called: ObjectNames(jobUUID: job, runLease: 3),
            by: uploader.plan(sinks, outputCount: outputs.count))
    }

    private func uploader(_ root: String) throws -> Uploader {
        try Delivery(DeliveryPolicy(fileRoot: root)).uploader
    }

    @Test("each object lies under its own name, whole, with no temporary file beside it")
    func write() async throws {
        let root = try Folder()
        let delivered = try await deliver(
            [object("one"), object("two", index: 1)], to: ["file://\(root.path)/team/a/", "db:"],
            by: uploader(root.path))
        let name = "\(job.uuidString.lowercased())"
        #expect(delivered.allSatisfy { $0.isStored })
        #expect(
            delivered.map(\.urls) == [
                ["file://\(root.path)/team/a/\(name)/3-0.png"], ["file://\(root.path)/team/a/\(name)/3-1.png"],
            ])
        #expect(
            try root.files() == [
                "team", "team/a", "team/a/\(name)", "team/a/\(name)/3-0.png", "team/a/\(name)/3-1.png",
            ])
        #expect(try Data(contentsOf: root.url.appending(path: "team/a/\(name)/3-1.png")) == Data("two".utf8))
        let attributes = try FileManager.default.attributesOfItem(
            atPath: root.path + "/team/a/\(name)/3-0.png")
        let mode = try #require(attributes[.posixPermissions] as? Int)
        #expect(mode & 0o137 == 0)
    }

    @Test("the root itself is a sink, and writing again replaces the file")
    func again() async throws {
        let root = try Folder()
        let uploader = try uploader(root.path)
        for text in ["first", "second, and longer"] {
            let delivered = try await deliver([object(text)], to: ["file://\(root.path)"], by: uploader)
            let url = try #require(URL(string: delivered[0].urls[0]))
            #expect(try Data(contentsOf: url) == Data(text.utf8))
        }
        #expect(try root.files().count == 2)
    }

    @Test("whoever reads while a file is replaced sees the old or the new one, never a part")
    func atomic() async throws {
        let root = try Folder()
        let uploader = try uploader(root.path)
        let texts = ["a", "b"].map { String(repeating: $0, count: 1 << 20) }
        let sink = "file://\(root.path)"
        let place = try await deliver([object(texts[0])], to: [sink], by: uploader)[0].urls[0]
        let file = try #require(URL(string: place))
        try await withThrowingTaskGroup { group in
            group.addTask {
                for round in 0..<20 { _ = try await deliver([object(texts[round % 2])], to: [sink], by: uploader) }
                return true
            }
            group.addTask {
                // at least once, however fast the writer is
                repeat {
                    let seen = try Data(contentsOf: file)
                    #expect(seen.count == 1 << 20 && seen.allSatisfy { $0 == seen[0] })
                } while !Task.isCancelled
                return false
            }
            for try await isWriter in group where isWriter { group.cancelAll() }
        }
        #expect(try root.files().count == 2)
    }

    @Test("a link below the root leads nowhere, for a directory on the way and for the file's own name")
    func links() async throws {
        let root = try Folder()
        let elsewhere = try Folder()
        let manager = FileManager.default
        try manager.createSymbolicLink(at: root.url.appending(path: "way"), withDestinationURL: elsewhere.url)
        let error = try await jobError {
            _ = try await deliver([object("x")], to: ["file://\(root.path)/way"], by: uploader(root.path))
        }
        #expect(error.code == .uploadForbidden && !error.retryable)
        #expect(error.message.contains("way"))

        let victim = elsewhere.url.appending(path: "victim")
        try Data("kept".utf8).write(to: victim)
        let folder = root.url.appending(path: job.uuidString.lowercased())
        try manager.createDirectory(at: folder, withIntermediateDirectories: true)
        try manager.createSymbolicLink(at: folder.appending(path: "3-0.png"), withDestinationURL: victim)
        _ = try await deliver([object("new")], to: ["file://\(root.path)"], by: uploader(root.path))
        #expect(try Data(contentsOf: victim) == Data("kept".utf8))
        #expect(try Data(contentsOf: folder.appending(path: "3-0.png")) == Data("new".utf8))
        #expect(try elsewhere.files() == ["victim"])
    }

    @Test("what cannot take its name leaves nothing behind")
    func occupied() async throws {
        let root = try Folder()
        let place = "\(job.uuidString.lowercased())/3-0.png"
        try FileManager.default.createDirectory(
            at: root.url.appending(path: place + "/inside"), withIntermediateDirectories: true)
        let error = try await jobError {
            _ = try await deliver([object("x")], to: ["file://\(root.path)"], by: uploader(root.path))
        }
        #expect(error.code == .uploadForbidden)
        #expect(try root.files().filter { $0.hasSuffix(".tmp") } == [])
    }

    @Test("a file that was written is removed with what is left of its writing and its folder; other files stay")
    func removal() async throws {
        let root = try Folder()
        let uploader = try uploader(root.path)
        let delivered = try await deliver(
            [object("x"), object("y", index: 1)], to: ["file://\(root.path)/a/"], by: uploader)
        let urls = delivered.flatMap(\.urls)
        let folder = root.url.appending(path: "a/\(job.uuidString.lowercased())")
        try Data("half".utf8).write(to: folder.appending(path: ".3-1.png.tmp"))
        try await uploader.remove(urls[0])
        #expect(try root.files().filter { $0.hasSuffix("g") || $0.hasSuffix("tmp") }.count == 2)
        for _ in 0..<2 { try await uploader.remove(urls[1]) }
        #expect(try root.files() == ["a"])
        let outside = try await jobError { try await uploader.remove("file:///etc/passwd") }
        #expect(outside.code == .uploadForbidden)
        let noFile = try await jobError { try await uploader.remove("https://x/y") }
        #expect(noFile.code == .invalidRequest)
    }

    @Test("a root that is not there is a failed upload, which another attempt may mend")
    func missingRoot() async throws {
        let error = try await jobError {
            _ = try await deliver([object("x")], to: ["file:///nonexistent/root"], by: uploader("/nonexistent/root"))
        }
        #expect(error.code == .uploadFailed && error.retryable)
        #expect(error.message.contains("/nonexistent/root"))
    }
}
