package import Foundation
package import JanusHTTP

/// One webhook as the outbox holds it.
package struct WebhookMessage: Sendable {
    /// `webhook-id`: the same over all tries.
    package var id: String
    package var url: String
    /// JSON, sent byte for byte.
    package var body: Data
    /// All active secrets of the owner, `whsec_` and base64, the newest first.
    package var secrets: [String]

    package init(id: String, url: String, body: Data, secrets: [String]) {
        self.id = id
        self.url = url
        self.body = body
        self.secrets = secrets
    }
}

/// How one try of a webhook ended. `error` is for people and holds no query, body or secret.
package enum WebhookResult: Sendable, Equatable {
    case delivered(status: Int)
    /// Try again; `afterSeconds` is the receiver's own wish (Retry-After), at most a day.
    case retry(status: Int?, error: String, afterSeconds: Double?)
    /// Never try again.
    case abandoned(status: Int?, error: String)
}

/// Sends signed webhooks, one try a call.
package struct WebhookSender: Sendable {
    /// Bytes of an answer that are read; only its status and Retry-After count.
    static let answerBytesMax = 4096

    private let client: HTTPClient
    private let policy: DeliveryPolicy

    package init(client: HTTPClient, policy: DeliveryPolicy) {
        self.client = client
        self.policy = policy
    }

    /// 2xx delivers; 410, a URL that is none and an address that is forbidden end it; all else is for another try.
    ///
    /// - Parameter now: the database's time, which becomes the signature's timestamp.
    package func send(_ message: WebhookMessage, now: Date) async -> WebhookResult {
        let request: HTTPRequest
        do {
            request = try signed(message, now: now)
        } catch let error as HTTPError {
            return Self.result(error)
        } catch {
            return .retry(status: nil, error: "\(error)", afterSeconds: nil)
        }
        do {
            return Self.result(try await client.send(request), now: now)
        } catch {
            return Self.result(error)
        }
    }

    private func signed(_ message: WebhookMessage, now: Date) throws -> HTTPRequest {
        let timestamp = Int64(now.timeIntervalSince1970)
        let signer = try WebhookSigner(secrets: message.secrets)
        return HTTPRequest(
            .post, try HTTPURL(message.url),
            headers: [
                HTTPHeader("Content-Type", "application/json"),
                HTTPHeader("webhook-id", message.id),
                HTTPHeader("webhook-timestamp", String(timestamp)),
                HTTPHeader(
                    "webhook-signature", signer.signature(id: message.id, timestamp: timestamp, body: message.body)),
            ],
            body: message.body, bodyLimit: .cut(atBytes: Self.answerBytesMax),
            deadlines: HTTPDeadlines(totalSeconds: policy.webhookSeconds))
    }

    private static func result(_ response: HTTPResponse, now: Date) -> WebhookResult {
        let status = response.status
        if response.isSuccess { return .delivered(status: status) }
        if status == 410 { return .abandoned(status: status, error: "the receiver answered 410: it wants no more") }
        let hint = response.isRedirect ? "; redirects are not followed" : ""
        var wish: Double?
        if status == 429 || status == 503 {
            wish = response.retryAfterSeconds(now: now).map { min($0, WebhookSchedule.retryAfterSecondsMax) }
        }
        return .retry(status: status, error: "the receiver answered \(status)\(hint)", afterSeconds: wish)
    }

    private static func result(_ error: HTTPError) -> WebhookResult {
        switch error {
        case .invalidURL, .invalidHeader, .forbiddenScheme, .forbiddenAddress:
            .abandoned(status: nil, error: "\(error)")
        case .unresolvable, .unreachable, .insecure, .timedOut, .tooLarge, .interrupted, .canceled, .closed, .unusable:
            .retry(status: nil, error: "\(error)", afterSeconds: nil)
        }
    }
}
