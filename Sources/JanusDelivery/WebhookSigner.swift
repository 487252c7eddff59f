import Crypto
package import Foundation

/// Why nothing can be signed. Secrets are not repeated here.
package enum WebhookSecretError: Error, Equatable, CustomStringConvertible {
    case none
    /// - Parameter position: 1 for the first.
    case unfit(position: Int, bytes: Int)

    package var description: String {
        switch self {
        case .none: "the job's owner has no active webhook secret; make one"
        case .unfit(let position, let bytes):
            "webhook secret \(position) of the job's owner has \(bytes) bytes, must have "
                + "\(WebhookSigner.secretBytes); make a new one"
        }
    }
}

/// Signs webhooks as https://www.standardwebhooks.com specifies (symmetric, version v1).
package struct WebhookSigner: Sendable {
    private let keys: [SymmetricKey]

    /// As the column of secrets has them; the specification would allow 24 to 64.
    static let secretBytes = 32

    /// - Parameter secrets: all that are active; the receiver accepts any of them.
    package init(secrets: [Data]) throws(WebhookSecretError) {
        guard !secrets.isEmpty else { throw .none }
        for (index, secret) in secrets.enumerated() where secret.count != Self.secretBytes {
            throw .unfit(position: index + 1, bytes: secret.count)
        }
        keys = secrets.map { SymmetricKey(data: $0) }
    }

    /// The value of `webhook-signature`: `v1,` and base64 of HMAC-SHA-256 over `id.timestamp.body`, one a secret.
    package func signature(id: String, timestamp: Int64, body: Data) -> String {
        let signed = Data("\(id).\(timestamp).".utf8) + body
        return keys.map { key in
            "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
        }.joined(separator: " ")
    }
}
