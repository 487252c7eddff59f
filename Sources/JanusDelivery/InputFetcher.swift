package import Foundation
package import JanusHTTP
package import JanusJob

/// Fetches input pictures by URL.
package struct InputFetcher: Sendable {
    private let client: HTTPClient
    private let policy: DeliveryPolicy

    package init(client: HTTPClient, policy: DeliveryPolicy) {
        self.client = client
        self.policy = policy
    }

    /// The bytes behind `url`, at least one and at most `inputBytesMax`.
    ///
    /// - Throws: `inputForbidden` (scheme or address), `inputTooLarge`, `invalidImage` (nothing came), or
    ///   `inputUnavailable`: retryable after 408, 425, 429, 5xx, a timeout or a broken connection, and not retryable
    ///   after a redirect or another status.
    package func fetch(_ url: String) async throws(JobError) -> Data {
        throw JobError(.internalError, "not written yet")
    }
}
