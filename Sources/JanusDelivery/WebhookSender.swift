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
    private let client: HTTPClient
    private let policy: DeliveryPolicy

    package init(client: HTTPClient, policy: DeliveryPolicy) {
        self.client = client
        self.policy = policy
    }

    /// - Parameter now: the database's time, which becomes the signature's timestamp.
    package func send(_ message: WebhookMessage, now: Date) async -> WebhookResult {
        .retry(status: nil, error: "not written yet", afterSeconds: nil)
    }
}
