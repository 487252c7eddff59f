package import Foundation

/// One webhook, from the outbox to its receiver.
package struct WebhookMessage: Sendable, Equatable {
    /// `webhook-id`: the same over all tries.
    package var id: String
    package var url: String
    /// JSON, signed and sent byte for byte.
    package var body: Data
    /// All active secrets of the owner, the current one first.
    package var secrets: [Data]

    package init(id: String, url: String, body: Data, secrets: [Data]) {
        self.id = id
        self.url = url
        self.body = body
        self.secrets = secrets
    }
}

/// How one try of a webhook ended. `error` is for people and holds no query, body or secret.
package enum WebhookResult: Sendable, Equatable {
    case delivered(status: Int)
    case retry(status: Int?, error: String, afterSeconds: Double)
    /// Never try again.
    case abandoned(status: Int?, error: String)
}
