import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import TestSupport
import Testing

@Suite("Outputs by PUT")
struct UploaderTests {
    private let job = UUID()

    private func outputs(_ texts: String...) -> [JobOutput] {
        texts.enumerated().map { index, text in
            JobOutput(index: index, format: .image(.webp, width: 1, height: 1), data: Data(text.utf8))
        }
    }

    @discardableResult
    private func deliver(
        _ outputs: [JobOutput], to sinks: [String], by uploader: Uploader
    ) async throws -> [JobOutput] {
        try await uploader.deliver(
            outputs, called: ObjectNames(jobUUID: job, runLease: 7),
            by: uploader.plan(sinks, outputCount: outputs.count))
    }

    /// Retries three times at once.
    private func uploader(seconds: Double = 60) throws -> Uploader {
        var policy = localPolicy()
        policy.uploadSeconds = seconds
        return Uploader(client: try localClient(), policy: policy, retryDelaysSeconds: [0.01, 0.01, 0.01])
    }

    @Test("a collection takes every object under its own name, with type and length; its query stays secret")
    func collection() async throws {
        let receiver = try await HTTPReceiver.room()
        let delivered = try await deliver(
            outputs("one", "three"), to: [receiver.url("/put/out/?sig=secret")], by: uploader())
        let name = job.uuidString.lowercased()
        #expect(delivered.allSatisfy { !$0.isStored })
        #expect(
            delivered.map(\.urls) == [
                [receiver.url("/put/out/\(name)/7-0.webp")], [receiver.url("/put/out/\(name)/7-1.webp")],
            ])
        #expect(try receiver.stored("out/\(name)/7-1.webp") == Data("three".utf8))
        let request = try #require(try receiver.requests("/put/out/\(name)/7-1.webp").first)
        #expect(request.method == "PUT")
        #expect(request.query == "sig=secret")
        #expect(request.headers["content-type"] == "image/webp")
        #expect(request.headers["content-length"] == "5")
        #expect(request.bodySHA256 == delivered[1].sha256)
    }

    @Test("exact URLs belong to the objects in order, whatever else is among the sinks")
    func exact() async throws {
        let receiver = try await HTTPReceiver.room()
        let delivered = try await deliver(
            outputs("one", "two"),
            to: [receiver.url("/put/a.webp?s=1"), "db:", receiver.url("/put/c/"), receiver.url("/put/b.webp?s=2")],
            by: uploader())
        #expect(delivered.allSatisfy { $0.isStored })
        #expect(delivered.map(\.urls.last) == [receiver.url("/put/a.webp"), receiver.url("/put/b.webp")])
        #expect(delivered.allSatisfy { $0.urls.count == 2 })
        #expect(try receiver.stored("a.webp") == Data("one".utf8))
        #expect(try receiver.stored("b.webp") == Data("two".utf8))
    }

    @Test("no sinks means the database")
    func database() async throws {
        let delivered = try await deliver(outputs("one", "two"), to: [], by: uploader())
        #expect(delivered.allSatisfy { $0.urls.isEmpty && $0.isStored })
    }

    @Test(
        "an answer that is final is not tried again",
        arguments: [
            (403, JobErrorCode.uploadForbidden), (400, .uploadFailed), (404, .uploadFailed), (302, .uploadFailed),
        ])
    func final(_ status: Int, _ code: JobErrorCode) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            try await deliver(outputs("x"), to: [receiver.url("/status/\(status)/x?sig=secret")], by: uploader())
        }
        #expect(error.code == code && !error.retryable)
        #expect(error.message.contains("\(status)") && !error.message.contains("secret"))
        #expect(try receiver.requests().count == 1)
    }

    @Test(
        "a receiver that took the object and then breaks off or dawdles has it",
        arguments: ["/break-off/201", "/dawdle/200"])
    func answered(_ path: String) async throws {
        let receiver = try await HTTPReceiver.room()
        _ = try await deliver(outputs("x"), to: [receiver.url(path + "/x")], by: uploader())
        #expect(try receiver.requests().count == 1)
    }

    @Test(
        "a passing trouble is tried again within the run, a bounded number of times", arguments: [408, 429, 500, 503])
    func transient(_ status: Int) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            try await deliver(outputs("x"), to: [receiver.url("/status/\(status)/x")], by: uploader())
        }
        #expect(error.code == .uploadFailed && error.retryable)
        #expect(try receiver.requests().count == 4)
    }

    @Test("an upload that fails twice and then works is a success")
    func recovers() async throws {
        let receiver = try await HTTPReceiver.room()
        let delivered = try await deliver(outputs("x"), to: [receiver.url("/fail-then-ok/2/x")], by: uploader())
        #expect(delivered.map(\.urls) == [[receiver.url("/fail-then-ok/2/x")]])
        #expect(try receiver.requests().count == 3)
    }

    @Test("a server that never answers is a failed upload after its time, and no try begins later")
    func hang() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            try await deliver(outputs("x"), to: [receiver.url("/hang/x")], by: uploader(seconds: 0.5))
        }
        #expect(error.code == .uploadFailed && error.retryable)
        #expect(error.message.contains("timed out"))
        #expect(try receiver.requests().count <= 1)
    }

    @Test("one failed object fails the delivery")
    func partial() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            try await deliver(
                outputs("x", "y"), to: [receiver.url("/put/x"), receiver.url("/status/403/y")], by: uploader())
        }
        #expect(error.code == .uploadForbidden)
    }

    @Test("an address that is not listed is forbidden")
    func guarded() async throws {
        let receiver = try await HTTPReceiver.room()
        let uploader = try Delivery(DeliveryPolicy(allowHTTP: true)).uploader
        let error = try await jobError { try await deliver(outputs("x"), to: [receiver.url("/put/")], by: uploader) }
        #expect(error.code == .uploadForbidden && !error.retryable)
        #expect(try receiver.requests().isEmpty)
    }

    @Test("cancelling the task ends an upload, also between two tries")
    func canceled() async throws {
        let receiver = try await HTTPReceiver.room()
        let uploader = Uploader(client: try localClient(), policy: localPolicy(), retryDelaysSeconds: [3600])
        for path in ["/hang/x", "/status/503/x"] {
            let task = Task { [outputs = outputs("x")] in
                try await jobError { try await deliver(outputs, to: [receiver.url(path)], by: uploader) }
            }
            _ = try await receiver.waitForRequests(path)
            task.cancel()
            let error = try await task.value
            #expect([.internalError, .uploadFailed].contains(error.code))
        }
    }

    @Test("what is about to be written is said before: objects and files, not the client's own URLs nor any query")
    func announcement() throws {
        var policy = localPolicy()
        policy.fileRoot = "/srv"
        let uploader = Uploader(client: try localClient(), policy: policy)
        let sinks = [
            "db:", "https://x.example/out/?sig=secret", "https://x.example/a", "file:///srv/team/",
            "https://x.example/b",
        ]
        let plan = try uploader.plan(sinks, outputCount: 2)
        let (objects, files) = try uploader.announcement(
            of: outputs("x", "y"), called: ObjectNames(jobUUID: job, runLease: 7), by: plan)
        let name = job.uuidString.lowercased()
        #expect(objects == (0...1).map { "https://x.example/out/\(name)/7-\($0).webp" })
        #expect(files == (0...1).map { "file:///srv/team/\(name)/7-\($0).webp" })
        #expect(plan.hosts == ["https://x.example", "file:"])
        #expect(try uploader.plan(["db:"], outputCount: 2).hosts.isEmpty)
    }

    @Test("other outputs than those that the job has are a fault, before anything is sent")
    func others() async throws {
        let uploader = try uploader()
        let plan = try uploader.plan(["db:"], outputCount: 2)
        let names = ObjectNames(jobUUID: job, runLease: 7)
        let twice = outputs("x", "y").map { JobOutput(index: 0, format: $0.format, data: $0.data) }
        for wrong in [[], outputs("x"), outputs("x", "y", "z"), twice] {
            let error = try await jobError { _ = try await uploader.deliver(wrong, called: names, by: plan) }
            #expect(error.code == .internalError)
        }
    }

    @Test("the digest is SHA-256 in lower-case hexadecimal")
    func digest() {
        #expect(
            JobOutput(text: "abc").sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
