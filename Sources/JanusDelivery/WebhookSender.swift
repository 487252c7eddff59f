package import Foundation
import JanusHTTP
package import JanusJob

/// Sends signed webhooks, one try a call.
package struct WebhookSender: Sendable {
    /// Bytes of an answer that are read; only its status and Retry-After count.
    static let answerBytesMax = 4096

    private let route: DeliveryRoute
    private var client: HTTPClient { route.client }
    private var policy: DeliveryPolicy { route.policy }

    package init(_ route: DeliveryRoute) { self.route = route }

    /// 2xx delivers; 410, a URL that is none, an address that is forbidden and the last try of the schedule end it; all
    /// else is for another try.
    ///
    /// - Parameters:
    ///   - attempt: the ordinal of this try, ≥ 1.
    ///   - now: the database's time, which becomes the signature's timestamp.
    ///   - jitter: a uniform draw from 0 ..< 1 for the delay of another try.
    package func send(
        _ message: WebhookMessage, attempt: Int, now: Date, jitter: Double = .random(in: 0..<1)
    ) async -> WebhookResult {
        switch await answer(to: message, now: now) {
        case .delivered(let status): return .delivered(status: status)
        case .final(let status, let error): return .abandoned(status: status, error: error)
        case .passing(let status, let error, let wish):
            guard
                let delay = WebhookSchedule.delaySeconds(
                    afterAttempt: attempt, retryAfterSeconds: wish, jitter: jitter)
            else { return .abandoned(status: status, error: "\(error); given up after \(attempt) tries") }
            return .retry(status: status, error: error, afterSeconds: delay)
        }
    }

    /// What one try met, whichever it was.
    private enum Answer {
        case delivered(status: Int)
        /// `wish` is the receiver's own (Retry-After), in seconds.
        case passing(status: Int?, error: String, wish: Double?)
        case final(status: Int?, error: String)
    }

    private func answer(to message: WebhookMessage, now: Date) async -> Answer {
        let request: HTTPRequest
        do {
            request = try signed(message, now: now)
        } catch let error as HTTPError {
            return Self.answer(error)
        } catch {
            return .passing(status: nil, error: "\(error)", wish: nil)
        }
        do {
            return Self.answer(try await client.send(request), now: now)
        } catch {
            return Self.answer(error)
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

    private static func answer(_ response: HTTPResponse, now: Date) -> Answer {
        let status = response.status
        if response.isSuccess { return .delivered(status: status) }
        if status == 410 { return .final(status: status, error: "the receiver answered 410: it wants no more") }
        let hint = response.isRedirect ? "; redirects are not followed" : ""
        let wish = status == 429 || status == 503 ? response.retryAfterSeconds(now: now) : nil
        return .passing(status: status, error: "the receiver answered \(status)\(hint)", wish: wish)
    }

    private static func answer(_ error: HTTPError) -> Answer {
        switch error {
        case .invalidURL, .invalidHeader, .forbiddenScheme, .forbiddenAddress:
            .final(status: nil, error: "\(error)")
        case .unresolvable, .unreachable, .insecure, .timedOut, .tooLarge, .interrupted, .canceled, .closed, .unusable:
            .passing(status: nil, error: "\(error)", wish: nil)
        }
    }
}
