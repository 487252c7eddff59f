package import Foundation
import Synchronization

/// Whether this host may write for its claims, and when it may judge others'.
///
/// Written by the lease loop; read by every loop before it touches a job. Times are `BootClock` seconds.
package final class HostLease: Sendable {
    struct State: Equatable {
        /// nil while the database is away.
        var connectedSince: Double?
        /// Sending time of the last renewal that the database confirmed, plus the lease.
        var validUntil: Double
        /// When the server started, by this host's clock.
        var serverStart: Double
        /// The database's clock minus this host's; signatures carry the database's time.
        var clockOffsetSeconds: Double
        /// Whether the database has answered, or was found away, since the start.
        var isKnown = false
    }

    package let seconds: Double
    private let state: Mutex<State>
    private let becameKnown = WakeSignal()

    package init(seconds: Double) {
        self.seconds = seconds
        self.state = Mutex(
            State(connectedSince: nil, validUntil: -.infinity, serverStart: .infinity, clockOffsetSeconds: 0))
    }

    /// A renewal that the database confirmed.
    package struct Renewal: Sendable {
        package var sent: Double
        package var received: Double
        package var serverNow: Date
        package var serverAgeSeconds: Double

        package init(sent: Double, received: Double, serverNow: Date, serverAgeSeconds: Double) {
            self.sent = sent
            self.received = received
            self.serverNow = serverNow
            self.serverAgeSeconds = serverAgeSeconds
        }
    }

    package func renewed(_ renewal: Renewal) {
        let offset = renewal.serverNow.timeIntervalSinceNow
        defer { becameKnown.wake() }
        state.withLock { state in
            state.isKnown = true
            state.clockOffsetSeconds = offset
            state.connectedSince = state.connectedSince ?? renewal.sent
            state.validUntil = renewal.sent + seconds
            // counted from the reply, so that a slow one makes the server younger and not older
            state.serverStart = renewal.received - renewal.serverAgeSeconds
        }
    }

    /// The database's time, as far as the last renewal tells.
    package var databaseNow: Date { Date(timeIntervalSinceNow: state.withLock { $0.clockOffsetSeconds }) }

    package func disconnected() {
        state.withLock { state in
            state.isKnown = true
            state.connectedSince = nil
        }
        becameKnown.wake()
    }

    /// Returns once the database has answered or was found away, or after `seconds`.
    package func waitUntilKnown(seconds: Double) async {
        let end = BootClock.now + seconds
        while !state.withLock({ $0.isKnown }), !Task.isCancelled, BootClock.now < end {
            await becameKnown.wait(seconds: 1)
        }
    }

    /// Whether the claims of this host still stand by its own clock.
    package func isValid(now: Double) -> Bool { state.withLock { now < $0.validUntil } }

    /// Whether the database answers and the lease stands: the condition for claiming.
    package func mayClaim(now: Double) -> Bool { state.withLock { $0.connectedSince != nil && now < $0.validUntil } }

    /// Whether a whole lease has passed since this host's (re)connection and since the server's start, of which a host
    /// between two renewals may not have noticed: before that, a host that was cut off by the same outage has had no
    /// chance to renew, and rescuing its jobs would be a storm.
    package func mayRescue(now: Double) -> Bool {
        state.withLock { state in
            guard let since = state.connectedSince, now < state.validUntil else { return false }
            return now - since >= seconds && now - state.serverStart >= seconds
        }
    }
}
