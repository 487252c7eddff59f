import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import TestSupport
import Testing

@Suite("Input pictures by URL")
struct InputFetcherTests {
    @Test("a picture comes byte for byte")
    func fetch() async throws {
        let receiver = try await HTTPReceiver.room()
        let data = try await Delivery(localPolicy()).inputs.fetch(receiver.url("/image/red.png"))
        #expect(data.starts(with: [0x89, 0x50, 0x4e, 0x47]))
        #expect(try receiver.requests().first?.headers["user-agent"] == "janusd")
    }

    @Test("a picture that comes as gzip unasked is the picture")
    func gzip() async throws {
        let receiver = try await HTTPReceiver.room()
        let inputs = try Delivery(localPolicy()).inputs
        let plain = try await inputs.fetch(receiver.url("/image/red.png"))
        #expect(try await inputs.fetch(receiver.url("/gzip/red.png")) == plain)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var path: String
        var code: JobErrorCode
        var retryable: Bool
        var says: String = ""
        var testDescription: String { path }
    }

    @Test(
        "each way to fail has its code, and says whether another attempt could help",
        arguments: [
            Case(path: "/image/none.png", code: .inputUnavailable, retryable: false, says: "404"),
            Case(path: "/status/410", code: .inputUnavailable, retryable: false, says: "410"),
            Case(path: "/status/403", code: .inputUnavailable, retryable: false),
            Case(path: "/status/408", code: .inputUnavailable, retryable: true),
            Case(path: "/status/425", code: .inputUnavailable, retryable: true),
            Case(path: "/status/429", code: .inputUnavailable, retryable: true),
            Case(path: "/status/500", code: .inputUnavailable, retryable: true),
            Case(path: "/status/503", code: .inputUnavailable, retryable: true),
            Case(path: "/redirect", code: .inputUnavailable, retryable: false, says: "redirects are not followed"),
            Case(path: "/hang", code: .inputUnavailable, retryable: true, says: "timed out"),
            Case(path: "/slow", code: .inputUnavailable, retryable: true, says: "timed out"),
            Case(path: "/drop", code: .inputUnavailable, retryable: true),
            Case(path: "/endless", code: .inputTooLarge, retryable: false, says: "100000 bytes"),
            Case(path: "/bytes/100001", code: .inputTooLarge, retryable: false),
            Case(path: "/big-error", code: .inputUnavailable, retryable: false, says: "404"),
            Case(path: "/image/empty.png", code: .invalidImage, retryable: false, says: "empty"),
            Case(path: "/status/204", code: .invalidImage, retryable: false),
        ])
    func failures(_ expected: Case) async throws {
        let receiver = try await HTTPReceiver.room()
        var policy = localPolicy()
        policy.inputBytesMax = 100_000
        policy.inputSeconds = expected.says == "timed out" ? 0.5 : 60
        let inputs = try Delivery(policy).inputs
        let error = try await jobError { _ = try await inputs.fetch(receiver.url(expected.path) + "?token=secret") }
        #expect(error.code == expected.code)
        #expect(error.retryable == expected.retryable)
        #expect(expected.says.isEmpty || error.message.contains(expected.says))
        #expect(error.message.contains(expected.path))
        #expect(!error.message.contains("secret"))
    }

    @Test("a refused scheme or address is forbidden, and no URL is an invalid request; none is tried again")
    func refused() async throws {
        let receiver = try await HTTPReceiver.room()
        let inputs = try Delivery(DeliveryPolicy(allowHTTP: true)).inputs
        let address = try await jobError { _ = try await inputs.fetch(receiver.url("/image/red.png")) }
        #expect(address.code == .inputForbidden && !address.retryable)
        #expect(address.message.contains("127.0.0.1"))

        let strict = try Delivery(DeliveryPolicy()).inputs
        let scheme = try await jobError { _ = try await strict.fetch("http://example.com/a.png") }
        #expect(scheme.code == .inputForbidden && !scheme.retryable)

        let invalid = try await jobError { _ = try await strict.fetch("https://me:secret@example.com/a.png") }
        #expect(invalid.code == .invalidRequest && !invalid.retryable)
        #expect(!invalid.message.contains("secret"))
        #expect(try receiver.requests().isEmpty)
    }
}
