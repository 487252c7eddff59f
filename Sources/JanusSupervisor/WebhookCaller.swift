import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob

/// Calls webhooks within the bounds of owners and hosts, and leaves receivers alone that do not answer.
struct WebhookCaller: Sendable {
    /// A host that has all calls that it may is asked again so soon.
    private static let fullHostSeconds = 0.5

    let webhooks: WebhookSender
    let places: Turnstile
    let lease: HostLease
    private let breakers = Breakers()

    init(webhooks: WebhookSender, places: Turnstile, lease: HostLease) {
        self.webhooks = webhooks
        self.places = places
        self.lease = lease
    }

    /// A call that may be made now; `end` gives its place back.
    struct Permit: Sendable {
        fileprivate let ticket: FairPlaces.Ticket
        fileprivate let key: CircuitBreakers.Key
    }

    enum Answer: Sendable {
        case now(Permit)
        /// Not within so many seconds.
        case later(seconds: Double)
    }

    func ask(owner: String, url: String) -> Answer {
        // one that is no URL is told by the call itself
        let origin = HTTPURL.ifAny(url)?.origin ?? ""
        let key = CircuitBreakers.Key(owner: owner, origin: origin)
        guard let ticket = places.enterNow(owner: owner, hosts: [origin]) else {
            return .later(seconds: Self.fullHostSeconds)
        }
        if let seconds = breakers.wait(key) {
            places.leave(ticket, of: owner)
            return .later(seconds: seconds)
        }
        return .now(Permit(ticket: ticket, key: key))
    }

    func call(_ message: WebhookMessage, attempt: Int, _ permit: Permit) async -> WebhookResult {
        let result = await webhooks.send(message, attempt: attempt, now: lease.databaseNow)
        // a stopping host learns nothing of the receiver
        if !Task.isCancelled { breakers.report(permit.key, isAnswered: result.isAnswered) }
        return result
    }

    func end(_ permit: Permit) { places.leave(permit.ticket, of: permit.key.owner) }
}

extension WebhookResult {
    /// Whether the receiver is there and well, whatever it thinks of this call.
    fileprivate var isAnswered: Bool {
        switch self {
        case .delivered: true
        case .retry(let status, _, _), .abandoned(let status, _):
            status.map { $0 < 500 && $0 != 429 } ?? false
        }
    }
}
