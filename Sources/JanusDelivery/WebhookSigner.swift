import Crypto
package import Foundation

/// Why nothing can be signed. Secrets are not repeated here.
package enum WebhookSecretError: Error, Equatable, CustomStringConvertible {
    case none
    /// - Parameter position: 1 for the first.
    case malformed(position: Int)

    package var description: String {
        switch self {
        case .none: "the job's owner has no active webhook secret; make one"
        case .malformed(let position):
            "webhook secret \(position) of the job's owner is malformed: it must be whsec_ and base64; make a new one"
        }
    }
}

/// Signs webhooks as https://www.standardwebhooks.com specifies (symmetric, version v1).
package struct WebhookSigner: Sendable {
    private let keys: [SymmetricKey]

    /// - Parameter secrets: all that are active, `whsec_` and base64, padded or not; the receiver accepts any of them.
    package init(secrets: [String]) throws(WebhookSecretError) {
        guard !secrets.isEmpty else { throw .none }
        var keys: [SymmetricKey] = []
        for (index, secret) in secrets.enumerated() {
            let text = secret.hasPrefix("whsec_") ? String(secret.dropFirst(6)) : ""
            let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
            guard let bytes = Data(base64Encoded: text + padding), !bytes.isEmpty else {
                throw .malformed(position: index + 1)
            }
            keys.append(SymmetricKey(data: bytes))
        }
        self.keys = keys
    }

    /// The value of `webhook-signature`: `v1,` and base64 of HMAC-SHA-256 over `id.timestamp.body`, one a secret.
    package func signature(id: String, timestamp: Int64, body: Data) -> String {
        let signed = Data("\(id).\(timestamp).".utf8) + body
        return keys.map { key in
            "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
        }.joined(separator: " ")
    }
}
