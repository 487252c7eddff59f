package import Foundation
import JanusHTTP
package import JanusJob

/// Fetches input pictures by URL.
package struct InputFetcher: Sendable {
    private let route: DeliveryRoute
    private var client: HTTPClient { route.client }
    private var policy: DeliveryPolicy { route.policy }

    package init(_ route: DeliveryRoute) { self.route = route }

    /// What fetching these reaches; `fetch` tells of those that are none.
    package static func hosts(of urls: [String]) -> Set<String> {
        urls.reduce(into: []) { hosts, url in
            if let url = HTTPURL.ifAny(url) { hosts.insert(url.origin) }
        }
    }

    /// The bytes behind `url`, at least one and at most `inputBytesMax`.
    ///
    /// - Throws: `inputForbidden` (scheme or address), `inputTooLarge`, `invalidImage` (nothing came),
    ///   `invalidRequest` (no URL), or `inputUnavailable`: retryable after 408, 425, 429, 5xx, a timeout or a broken
    ///   connection, and not retryable after a redirect or another status. A cancelled task gets `internalError`.
    package func fetch(_ url: String) async throws(JobError) -> Data {
        let target: HTTPURL
        let response: HTTPResponse
        do {
            target = try HTTPURL(url)
            response = try await client.send(
                HTTPRequest(
                    .get, target, headers: [HTTPHeader("Accept", "image/png, image/jpeg, image/webp")],
                    bodyLimit: .refuse(overBytes: policy.inputBytesMax),
                    deadlines: HTTPDeadlines(totalSeconds: policy.inputSeconds)))
        } catch {
            throw Self.jobError(error)
        }
        guard response.isSuccess else {
            let hint = response.isRedirect ? "; redirects are not followed, give the final URL" : ""
            throw JobError(
                .inputUnavailable, "input \(target): the server answered \(response.status)\(hint)",
                retryable: response.isTransient)
        }
        guard !response.body.isEmpty else { throw JobError(.invalidImage, "input \(target): the file is empty") }
        return response.body
    }

    private static func jobError(_ error: HTTPError) -> JobError {
        let message = "input \(error)"
        return switch error {
        case .invalidURL, .invalidHeader: JobError(.invalidRequest, message)
        case .forbiddenScheme, .forbiddenAddress: JobError(.inputForbidden, message)
        case .tooLarge: JobError(.inputTooLarge, message)
        case .unresolvable, .unreachable, .insecure, .timedOut, .interrupted: JobError(.inputUnavailable, message)
        case .canceled, .closed, .unusable: JobError(.internalError, message)
        }
    }
}
