import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import TestSupport
import Testing

@Suite("Outputs by PUT")
struct UploaderTests {
    private let job = UUID()

    private func objects(_ texts: String...) -> [UploadObject] {
        texts.enumerated().map { index, text in
            UploadObject(
                jobUUID: job, runLease: 7, index: index, fileExtension: "webp", mediaType: "image/webp",
                data: Data(text.utf8))
        }
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
        let receipt = try await uploader().deliver(
            objects("one", "three"), to: [receiver.url("/put/out/?sig=secret")])
        let name = job.uuidString.lowercased()
        #expect(!receipt.storesInDatabase)
        #expect(
            receipt.urls == [
                [receiver.url("/put/out/\(name)/7-0.webp")], [receiver.url("/put/out/\(name)/7-1.webp")],
            ])
        #expect(try receiver.stored("out/\(name)/7-1.webp") == Data("three".utf8))
        let request = try #require(try receiver.requests("/put/out/\(name)/7-1.webp").first)
        #expect(request.method == "PUT")
        #expect(request.query == "sig=secret")
        #expect(request.headers["content-type"] == "image/webp")
        #expect(request.headers["content-length"] == "5")
        #expect(request.bodySHA256 == sha256Hex(Data("three".utf8)))
    }

    @Test("exact URLs belong to the objects in order, whatever else is among the sinks")
    func exact() async throws {
        let receiver = try await HTTPReceiver.room()
        let receipt = try await uploader().deliver(
            objects("one", "two"),
            to: [receiver.url("/put/a.webp?s=1"), "db:", receiver.url("/put/c/"), receiver.url("/put/b.webp?s=2")])
        #expect(receipt.storesInDatabase)
        #expect(receipt.urls.map(\.last) == [receiver.url("/put/a.webp"), receiver.url("/put/b.webp")])
        #expect(receipt.urls.allSatisfy { $0.count == 2 })
        #expect(try receiver.stored("a.webp") == Data("one".utf8))
        #expect(try receiver.stored("b.webp") == Data("two".utf8))
    }

    @Test("no sinks means the database")
    func database() async throws {
        let receipt = try await uploader().deliver(objects("one", "two"), to: [])
        #expect(receipt == UploadReceipt(urls: [[], []], storesInDatabase: true))
    }

    @Test(
        "an answer that is final is not tried again",
        arguments: [
            (403, JobErrorCode.uploadForbidden), (400, .uploadFailed), (404, .uploadFailed), (302, .uploadFailed),
        ])
    func final(_ status: Int, _ code: JobErrorCode) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            _ = try await uploader().deliver(objects("x"), to: [receiver.url("/status/\(status)/x?sig=secret")])
        }
        #expect(error.code == code && !error.retryable)
        #expect(error.message.contains("\(status)") && !error.message.contains("secret"))
        #expect(try receiver.requests().count == 1)
    }

    @Test(
        "a passing trouble is tried again within the run, a bounded number of times", arguments: [408, 429, 500, 503])
    func transient(_ status: Int) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            _ = try await uploader().deliver(objects("x"), to: [receiver.url("/status/\(status)/x")])
        }
        #expect(error.code == .uploadFailed && error.retryable)
        #expect(try receiver.requests().count == 4)
    }

    @Test("an upload that fails twice and then works is a success")
    func recovers() async throws {
        let receiver = try await HTTPReceiver.room()
        let receipt = try await uploader().deliver(objects("x"), to: [receiver.url("/fail-then-ok/2/x")])
        #expect(receipt.urls == [[receiver.url("/fail-then-ok/2/x")]])
        #expect(try receiver.requests().count == 3)
    }

    @Test("a server that never answers is a failed upload after its time, and no try begins later")
    func hang() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            _ = try await uploader(seconds: 0.5).deliver(objects("x"), to: [receiver.url("/hang/x")])
        }
        #expect(error.code == .uploadFailed && error.retryable)
        #expect(error.message.contains("timed out"))
        #expect(try receiver.requests().count <= 1)
    }

    @Test("one failed object fails the delivery")
    func partial() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await jobError {
            _ = try await uploader().deliver(
                objects("x", "y"), to: [receiver.url("/put/x"), receiver.url("/status/403/y")])
        }
        #expect(error.code == .uploadForbidden)
    }

    @Test("an address that is not listed is forbidden")
    func guarded() async throws {
        let receiver = try await HTTPReceiver.room()
        let uploader = try Delivery(DeliveryPolicy(allowHTTP: true)).uploader
        let error = try await jobError { _ = try await uploader.deliver(objects("x"), to: [receiver.url("/put/")]) }
        #expect(error.code == .uploadForbidden && !error.retryable)
        #expect(try receiver.requests().isEmpty)
    }

    @Test("cancelling the task ends an upload, also between two tries")
    func canceled() async throws {
        let receiver = try await HTTPReceiver.room()
        let uploader = Uploader(client: try localClient(), policy: localPolicy(), retryDelaysSeconds: [3600])
        for path in ["/hang/x", "/status/503/x"] {
            let task = Task { [objects = objects("x")] in
                try await jobError { _ = try await uploader.deliver(objects, to: [receiver.url(path)]) }
            }
            _ = try await receiver.waitForRequests(path)
            task.cancel()
            let error = try await task.value
            #expect([.internalError, .uploadFailed].contains(error.code))
        }
    }

    @Test("the digest is SHA-256 in lower-case hexadecimal")
    func digest() {
        #expect(
            sha256Hex(Data("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
