package import JanusHTTP
import Synchronization

/// The client and the policy that deliveries go by now. A reload replaces both at once: the new client has no connection and no
/// certificate of the old one, which ends with the last transfer that it had begun.
package final class DeliveryRoute: Sendable {
    private struct State {
        var client: HTTPClient
        var policy: DeliveryPolicy
    }

    private let state: Mutex<State>

    package init(client: HTTPClient, policy: DeliveryPolicy) {
        state = Mutex(State(client: client, policy: policy))
    }

    /// - Throws: `HTTPError.unusable` when libcurl cannot be initialised or the CA file cannot be used.
    package convenience init(_ policy: DeliveryPolicy) throws(HTTPError) {
        self.init(client: try HTTPClient(policy), policy: policy)
    }

    package var client: HTTPClient { state.withLock { $0.client } }
    package var policy: DeliveryPolicy { state.withLock { $0.policy } }

    /// - Throws: as `init(_:)`; what held before holds on then.
    package func change(to policy: DeliveryPolicy) throws(HTTPError) {
        let client = try HTTPClient(policy)
        state.withLock { $0 = State(client: client, policy: policy) }
    }
}

extension HTTPClient {
    fileprivate convenience init(_ policy: DeliveryPolicy) throws(HTTPError) {
        try self.init(
            HTTPClientConfiguration(
                allowsPlainHTTP: policy.allowHTTP, addresses: AddressPolicy(allowedNetworks: policy.allowedNetworks),
                caFile: policy.caFile, userAgent: policy.userAgent))
    }
}
