import Foundation
import JanusHTTP
import TestSupport
import Testing

@Suite("Caps on bytes and time")
struct HTTPLimitTests {
    @Test("a body of the cap passes and one byte more is too large", arguments: ["bytes", "chunked"])
    func cap(_ kind: String) async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let response = try await client.send(.get(receiver.url("/\(kind)/100000"), bytesMax: 100_000))
        #expect(response.body.count == 100_000)
        let url = receiver.url("/\(kind)/100001")
        let error = try await failure { try await client.send(.get(url, bytesMax: 100_000)) }
        #expect(error == .tooLarge(url: url, bytesMax: 100_000))
    }

    @Test("a server that sends forever is cut off at the cap")
    func endless() async throws {
        let receiver = try await HTTPReceiver.room()
        let url = receiver.url("/endless")
        let error = try await failure { try await localClient().send(.get(url)) }
        #expect(error == .tooLarge(url: url, bytesMax: 1 << 20))
    }

    @Test("where the body does not matter, it is cut and the status counts")
    func cut() async throws {
        let receiver = try await HTTPReceiver.room()
        var request = try HTTPRequest.get(receiver.url("/endless"))
        request.bodyLimit = .cut(atBytes: 1000)
        let response = try await localClient().send(request)
        #expect(response.status == 200)
        #expect(response.body.count == 1000)
    }

    @Test(
        "where the body does not matter, a server that breaks off or dawdles behind its status has answered",
        arguments: ["/break-off/200", "/break-off/503", "/dawdle/200", "/dawdle/404", "/slow"], [HTTPMethod.post, .put])
    func statusDecides(_ path: String, _ method: HTTPMethod) async throws {
        let receiver = try await HTTPReceiver.room()
        // the time of the transfer is not what ends it
        let request = HTTPRequest(
            method, try HTTPURL(receiver.url(path)), body: Data(repeating: 7, count: 100_000),
            bodyLimit: .cut(atBytes: 1000),
            deadlines: HTTPDeadlines(totalSeconds: 3600))
        let response = try await localClient().send(request)
        #expect(response.status == Int(path.suffix(3)) ?? 200)
        #expect(response.body.count <= 1000)
    }

    @Test("where the body is what is wanted, a part of it is none", arguments: ["/break-off/200", "/dawdle/200"])
    func halfBody(_ path: String) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await failure { try await localClient().send(.get(receiver.url(path), seconds: 1.5)) }
        switch error {
        case .interrupted, .timedOut: break
        default: Issue.record("\(String(describing: error))")
        }
    }

    @Test("what comes as gzip unasked is decoded, and the cap counts decoded bytes")
    func gzip() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let response = try await client.send(.get(receiver.url("/gzip/100000"), bytesMax: 100_000))
        #expect(response.body == Data(repeating: UInt8(ascii: "x"), count: 100_000))
        #expect(try receiver.requests().first?.headers["accept-encoding"] == nil)
        let url = receiver.url("/gzip/100001")
        let error = try await failure { try await client.send(.get(url, bytesMax: 100_000)) }
        #expect(error == .tooLarge(url: url, bytesMax: 100_000))
    }

    @Test("an endless error page is still its status")
    func bigError() async throws {
        let receiver = try await HTTPReceiver.room()
        let response = try await localClient().send(.get(receiver.url("/big-error"), bytesMax: 1000))
        #expect(response.status == 404)
    }

    @Test("headers without end are cut off")
    func headers() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await failure { try await localClient().send(.get(receiver.url("/headers"))) }
        // libcurl's own bound is wider
        guard case .interrupted(_, let reason) = error, reason == "more than 65536 bytes of headers" else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("a server that never answers, or drips for ever, meets the deadline", arguments: ["/hang", "/slow"])
    func deadline(_ path: String) async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await failure { try await localClient().send(.get(receiver.url(path), seconds: 0.3)) }
        guard case .timedOut(let url, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(url == receiver.url(path))
    }

    @Test("a transfer in which no byte moves is given up before its deadline")
    func stall() async throws {
        let receiver = try await HTTPReceiver.room()
        var request = try HTTPRequest.get(receiver.url("/hang"), seconds: 3600)
        request.deadlines.stallSeconds = 1
        let error = try await failure { try await localClient().send(request) }
        guard case .timedOut = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("cancelling the task ends the transfer and leaves the others alone")
    func cancel() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let url = receiver.url("/hang/a")
        let hanging = Task { try await failure { try await client.send(.get(url, seconds: 3600)) } }
        _ = try await receiver.waitForRequests("/hang/a")
        let other = Task { try await client.send(.get(receiver.url("/bytes/5"))) }
        hanging.cancel()
        #expect(try await hanging.value == .canceled(url: url))
        #expect(try await other.value.status == 200)
    }

    @Test("a task that is cancelled already sends nothing that matters")
    func canceledBefore() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let error = try await Task {
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            return try await failure { try await client.send(.get(receiver.url("/hang"), seconds: 3600)) }
        }.value
        #expect(error == .canceled(url: receiver.url("/hang")))
    }
}
