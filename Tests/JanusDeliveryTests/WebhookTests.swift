import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import TestSupport
import Testing

/// Signatures computed by the Python library `standardwebhooks` 1.1.0.
private enum Known {
    static let id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    static let timestamp: Int64 = 1_614_265_330
    static let body = Data(#"{"test": 2432232314}"#.utf8)
    static let secret = Data("the first secret of 32 bytes....".utf8)
    static let signature = "v1,WTPLmKiKM1dqhIe+3MzLLjf51CzZ4kIcyDm23qPAzHE="
    static let otherSecret = Data("another secret, also of 32 bytes".utf8)
    static let otherSignature = "v1,gLnfCm4vA2BUXprAYH+34UNDCzNZrOPFP2V3FX/AF+E="
}

@Suite("Signing webhooks")
struct WebhookSignerTests {
    @Test("signatures are those of the specification's own library, one for each active secret")
    func known() throws {
        func sign(_ secrets: Data...) throws -> String {
            try WebhookSigner(secrets: secrets)
                .signature(id: Known.id, timestamp: Known.timestamp, body: Known.body)
        }
        #expect(try sign(Known.secret) == Known.signature)
        #expect(try sign(Known.otherSecret) == Known.otherSignature)
        #expect(try sign(Known.otherSecret, Known.secret) == "\(Known.otherSignature) \(Known.signature)")
    }

    @Test("a secret of other than 32 bytes is named by its position, never by its bytes")
    func unfit() {
        for bytes in [0, 24, 31, 33, 64] {
            #expect(throws: WebhookSecretError.unfit(position: 2, bytes: bytes)) {
                try WebhookSigner(secrets: [Known.secret, Data(repeating: 7, count: bytes)])
            }
        }
        #expect(throws: Never.self) { try WebhookSigner(secrets: [Data(repeating: 7, count: 32)]) }
        #expect(throws: WebhookSecretError.none) { try WebhookSigner(secrets: []) }
    }
}

@Suite("Sending webhooks")
struct WebhookSenderTests {
    private func message(_ url: String, secrets: [Data] = [Known.secret]) -> WebhookMessage {
        WebhookMessage(id: Known.id, url: url, body: Known.body, secrets: secrets)
    }

    private func send(
        _ message: WebhookMessage, _ policy: DeliveryPolicy = localPolicy(), attempt: Int = 1
    ) async throws -> WebhookResult {
        try await Delivery(policy).webhooks.send(
            message, attempt: attempt, now: Date(timeIntervalSince1970: Double(Known.timestamp) + 0.9), jitter: 0.5)
    }

    @Test("the receiver gets the body byte for byte and headers that prove it")
    func delivered() async throws {
        let receiver = try await HTTPReceiver.room()
        #expect(try await send(message(receiver.url("/hook/a?token=t"))) == .delivered(status: 200))
        let request = try #require(try receiver.requests("/hook/a").first)
        #expect(request.method == "POST")
        #expect(request.query == "token=t")
        #expect(request.body == Known.body)
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["webhook-id"] == Known.id)
        #expect(request.headers["webhook-timestamp"] == "\(Known.timestamp)")
        #expect(request.headers["webhook-signature"] == Known.signature)
    }

    @Test(
        "any 2xx delivers, whatever body comes with it",
        arguments: ["/status/201", "/status/204", "/endless", "/break-off/200", "/dawdle/202"])
    func success(_ path: String) async throws {
        let receiver = try await HTTPReceiver.room()
        guard case .delivered = try await send(message(receiver.url(path))) else {
            Issue.record("not delivered")
            return
        }
    }

    @Test("other answers are for another try, redirects too", arguments: [302, 400, 401, 404, 500, 502])
    func retry(_ status: Int) async throws {
        let receiver = try await HTTPReceiver.room()
        guard case .retry(let got, let error, 5) = try await send(message(receiver.url("/status/\(status)?t=secret")))
        else {
            Issue.record("no retry")
            return
        }
        #expect(got == status)
        #expect(error.contains("\(status)") && !error.contains("secret"))
        #expect(try receiver.requests().count == 1)
    }

    @Test("the last try of the schedule ends it, and says how many there were")
    func exhausted() async throws {
        let receiver = try await HTTPReceiver.room()
        let last = WebhookSchedule.delaysSeconds.count + 1
        guard case .abandoned(500, let error) = try await send(message(receiver.url("/status/500")), attempt: last)
        else {
            Issue.record("not abandoned")
            return
        }
        #expect(error.contains("\(last) tries"))
    }

    @Test("410 ends it")
    func gone() async throws {
        let receiver = try await HTTPReceiver.room()
        guard case .abandoned(410, _) = try await send(message(receiver.url("/status/410"))) else {
            Issue.record("not abandoned")
            return
        }
    }

    @Test(
        "Retry-After counts with 429 and 503, up to a day",
        arguments: [
            ("/retry-after/120?status=429", 120.0), ("/retry-after/7", 7.0), ("/retry-after/999999999", 86400.0),
            ("/retry-after/Thu,%2025%20Feb%202021%2015:03:10%20GMT", 59.1), ("/retry-after/soon", 5),
            ("/retry-after/120?status=500", 5),
        ])
    func retryAfter(_ path: String, _ seconds: Double) async throws {
        let receiver = try await HTTPReceiver.room()
        guard case .retry(_, _, let wish) = try await send(message(receiver.url(path))) else {
            Issue.record("no retry")
            return
        }
        #expect((wish * 10).rounded() / 10 == seconds)
    }

    @Test("a receiver that hangs up, hangs or is not there gets another try", arguments: ["/drop", "/hang"])
    func broken(_ path: String) async throws {
        let receiver = try await HTTPReceiver.room()
        var policy = localPolicy()
        policy.webhookSeconds = path == "/hang" ? 0.3 : 60
        guard case .retry(nil, let error, 5) = try await send(message(receiver.url(path)), policy) else {
            Issue.record("no retry")
            return
        }
        #expect(error.contains(path))
    }

    @Test("a forbidden address, plain http where it is not allowed and what is no URL end it")
    func refused() async throws {
        let receiver = try await HTTPReceiver.room()
        let cases = [
            (DeliveryPolicy(allowHTTP: true), receiver.url("/hook/a?t=secret")),
            (DeliveryPolicy(), "http://example.com/hook?t=secret"), (DeliveryPolicy(), "example.com?t=secret"),
        ]
        for (policy, url) in cases {
            guard case .abandoned(nil, let error) = try await send(message(url), policy) else {
                Issue.record("not abandoned")
                return
            }
            #expect(!error.contains("secret"))
        }
        #expect(try receiver.requests().isEmpty)
    }

    @Test("without a usable secret nothing is sent")
    func unsigned() async throws {
        let receiver = try await HTTPReceiver.room()
        for secrets in [[], [Data("short".utf8)]] {
            guard case .retry(nil, let error, 5) = try await send(message(receiver.url("/hook"), secrets: secrets))
            else {
                Issue.record("no retry")
                return
            }
            #expect(error.contains("secret"))
        }
        #expect(try receiver.requests().isEmpty)
    }
}

@Suite("When webhooks are tried again")
struct WebhookScheduleTests {
    @Test("ten retries spread over about a day, and then none")
    func day() throws {
        let waits = (1...10).compactMap { WebhookSchedule.delaySeconds(afterAttempt: $0, jitter: 0.5) }
        #expect(waits.count == 10)
        #expect(waits == waits.sorted())
        #expect((20 * 3600...30 * 3600).contains(waits.reduce(0, +)))
        #expect(WebhookSchedule.delaySeconds(afterAttempt: 11, jitter: 0.5) == nil)
    }

    @Test("jitter stays within its share, and a receiver's wish only lengthens the wait")
    func bounds() throws {
        let least = try #require(WebhookSchedule.delaySeconds(afterAttempt: 3, jitter: 0))
        let most = try #require(WebhookSchedule.delaySeconds(afterAttempt: 3, jitter: 0.999_999))
        #expect(abs(least - 108) < 0.001 && abs(most - 132) < 0.001)
        func wish(_ seconds: Double) -> Double? {
            WebhookSchedule.delaySeconds(afterAttempt: 1, retryAfterSeconds: seconds, jitter: 0.5)
        }
        #expect(wish(0) == 5)
        #expect(wish(600) == 600)
        #expect(wish(1e9) == 86400)
    }
}
