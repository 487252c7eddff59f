import Foundation
import JanusHTTP
import TestSupport
import Testing

@Suite("The guard at connect time")
struct HTTPGuardTests {
    @Test(
        "this machine is refused under every name it has",
        arguments: [
            "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "0.0.0.0", "0",
            "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
        ])
    func refused(_ host: String) async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try HTTPClient(HTTPClientConfiguration(allowsPlainHTTP: true))
        let error = try await failure {
            try await client.send(.get(receiver.url("/image/red.png?token=secret").replacing("127.0.0.1", with: host)))
        }
        guard case .forbiddenAddress(let url, let address) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!url.contains("secret"))
        #expect(IPAddress(address) != nil)
        #expect(try receiver.requests().isEmpty)
    }

    @Test(
        "a listed address is reached, also by name and as a number",
        arguments: ["127.0.0.1", "localhost", "2130706433"])
    func allowed(_ host: String) async throws {
        let receiver = try await HTTPReceiver.room()
        let response = try await localClient().send(
            .get(receiver.url("/image/red.png").replacing("127.0.0.1", with: host)))
        #expect(response.status == 200)
        #expect(response.body.starts(with: [0x89, 0x50, 0x4e, 0x47]))
    }

    @Test("a connection that one client made does not serve another client with a stricter policy")
    func reuse() async throws {
        let receiver = try await HTTPReceiver.room()
        let open = try localClient()
        let strict = try HTTPClient(HTTPClientConfiguration(allowsPlainHTTP: true))
        for _ in 0..<3 {
            #expect(try await open.send(.get(receiver.url("/bytes/10"))).status == 200)
            let error = try await failure { try await strict.send(.get(receiver.url("/bytes/10"))) }
            guard case .forbiddenAddress = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(try receiver.requests().count == 3)
    }

    @Test("plain http is refused unless it is allowed")
    func plain() async throws {
        let receiver = try await HTTPReceiver.room()
        let client = try HTTPClient(HTTPClientConfiguration())
        let error = try await failure { try await client.send(.get(receiver.url("/bytes/1?a=secret"))) }
        #expect(error == .forbiddenScheme(url: receiver.url("/bytes/1")))
    }

    @Test("a redirect is an answer, not a way to another place")
    func redirect() async throws {
        let receiver = try await HTTPReceiver.room()
        let response = try await localClient().send(.get(receiver.url("/redirect")))
        #expect(response.isRedirect)
        #expect(response.header("location") == "/image/red.png")
        #expect(try receiver.requests().map(\.path) == ["/redirect"])
    }
}
