import Foundation
import Glibc
import JanusHTTP
import TestSupport
import Testing

@Suite("The HTTP client")
struct HTTPClientTests {
    @Test("a PUT arrives whole, with its headers and its length, and reads back", arguments: [0, 1, 70_000, 5_000_000])
    func put(_ byteCount: Int) async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let body = Data((0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
        let response = try await client.send(
            HTTPRequest(
                .put, try HTTPURL(receiver.url("/put/a/b.bin?sig=1%2B")),
                headers: [HTTPHeader("Content-Type", "image/png"), HTTPHeader("X-Empty", "")], body: body,
                bodyLimit: .cut(atBytes: 100), deadlines: HTTPDeadlines(totalSeconds: 60)))
        #expect(response.status == 201)
        let request = try #require(try receiver.requests().first)
        #expect(request.method == "PUT")
        #expect(request.query == "sig=1%2B")
        #expect(request.headers["content-type"] == "image/png")
        #expect(request.headers["content-length"] == "\(byteCount)")
        #expect(request.headers["x-empty"] == "")
        #expect(request.headers["user-agent"] == "janusd/test")
        #expect(request.headers["expect"] == nil)
        #expect(try await client.send(.get(receiver.url("/put/a/b.bin"), bytesMax: 5_000_000)).body == body)
    }

    @Test("many transfers run at once, each with its own answer")
    func many() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        let sizes = try await withThrowingTaskGroup { group in
            for size in 0..<60 {
                group.addTask { (size, try await client.send(.get(receiver.url("/bytes/\(size)"))).body.count) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(sizes.count == 60)
        #expect(sizes.allSatisfy { $0.0 == $0.1 })
    }

    @Test("a header that would smuggle another line is refused")
    func headerInjection() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try localClient()
        for header in [HTTPHeader("X-A", "b\r\nX-Evil: 1"), HTTPHeader("X A", "b"), HTTPHeader("", "b")] {
            var request = try HTTPRequest.get(receiver.url("/bytes/1"))
            request.headers = [header]
            let error = try await failure { try await client.send(request) }
            #expect(error == .invalidHeader(name: header.name))
        }
        #expect(try receiver.requests().isEmpty)
    }

    @Test("a port where nobody listens is unreachable")
    func unreachable() async throws {
        let receiver = try await HTTPReceiver.start()
        let url = receiver.url("/bytes/1")
        receiver.stop()
        let client = try localClient()
        let deadline = ContinuousClock.now + .seconds(30)
        var error: HTTPError?
        repeat {  // the process ends a little later than its input
            error = try await failure { try await client.send(.get(url)) }
        } while error == nil && ContinuousClock.now < deadline
        switch error {
        case .unreachable, .interrupted: break
        default: Issue.record("\(String(describing: error))")
        }
    }

    @Test("a name without an address is told apart")
    func unresolvable() async throws {
        let error = try await failure { try await localClient().send(.get("http://nobody.invalid/", seconds: 20)) }
        switch error {
        case .unresolvable, .timedOut: break  // a name server may not answer at all
        default: Issue.record("\(String(describing: error))")
        }
    }

    @Test("a connection that closes without an answer is an interruption")
    func drop() async throws {
        let receiver = try await HTTPReceiver.room()
        let error = try await failure { try await localClient().send(.get(receiver.url("/drop"))) }
        guard case .interrupted = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("a certificate counts only when its authority is known")
    func tls() async throws {
        let certificate = try TestCertificate()
        let receiver = try await HTTPReceiver.start(tls: (certificate.certificate, certificate.key))
        let error = try await failure { try await localClient().send(.get(receiver.url("/bytes/7"))) }
        guard case .insecure = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try receiver.requests().isEmpty)
        let trusting = try localClient(caFile: certificate.certificate.path)
        #expect(try await trusting.send(.get(receiver.url("/bytes/7"))).body.count == 7)
        // the certificate is for 127.0.0.1 only
        let other = try await failure {
            try await trusting.send(.get("https://localhost:\(receiver.port)/bytes/7"))
        }
        guard case .insecure = other else {
            Issue.record("\(String(describing: other))")
            return
        }
    }

    @Test("a CA file that is not there is told at once")
    func missingAuthority() {
        #expect(throws: HTTPError.unusable(reason: "the CA file /nonexistent/ca.pem cannot be read")) {
            try localClient(caFile: "/nonexistent/ca.pem")
        }
    }

    @Test("Retry-After is read as seconds and as a date")
    func retryAfter() {
        let now = Date(timeIntervalSince1970: 1_445_412_420)
        func seconds(_ value: String?) -> Double? {
            let headers = value.map { [HTTPHeader("retry-after", $0)] } ?? []
            return HTTPResponse(status: 503, headers: headers, body: Data())
                .retryAfterSeconds(now: now)
        }
        #expect(seconds("120") == 120)
        #expect(seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 60)
        #expect(seconds("Wed, 21 Oct 2015 07:26:00 GMT") == 0)
        #expect(seconds("soon") == nil)
        #expect(seconds("") == nil)
        #expect(seconds("-5") == nil)
        #expect(seconds(nil) == nil)
    }
}
