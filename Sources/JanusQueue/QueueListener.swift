import Foundation
package import JanusPostgres

/// Why to look at the queue.
package enum QueueEvent: Sendable, Equatable {
    /// Jobs may be waiting.
    case work
    /// A cancel was asked for, or a webhook is due.
    case control
    /// Listening began, or began anew: whatever was said before went unheard, so look at everything once.
    case reconnected
}

/// Hears `NOTIFY` on a connection of its own, for ever: it connects again by itself until its task is cancelled.
///
/// A connection that looks open may be dead, or go through a pooler that swallows LISTEN; so it notifies itself every
/// now and then and connects anew when it does not hear that. Polling remains necessary: NOTIFY only wakes.
package struct QueueListener: AsyncSequence, Sendable {
    package typealias Element = QueueEvent
    package typealias Failure = Never

    private let address: PostgresAddress
    private let proofSeconds: Double
    private let onFailure: @Sendable (PostgresError) -> Void

    /// - Parameters:
    ///   - dsn: a direct connection, or a pooler in session mode.
    ///   - proofSeconds: silence after which it notifies itself.
    ///   - onFailure: told of every failed or lost connection, for the log.
    package init(
        dsn: String, proofSeconds: Double = 30, onFailure: @escaping @Sendable (PostgresError) -> Void = { _ in }
    ) throws(QueueError) {
        do { self.address = try PostgresAddress(dsn: dsn) } catch { throw .database(error) }
        self.proofSeconds = proofSeconds
        self.onFailure = onFailure
    }

    package func makeAsyncIterator() -> Iterator {
        Iterator(address: address, proofSeconds: proofSeconds, onFailure: onFailure)
    }

    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let address: PostgresAddress
        fileprivate let proofSeconds: Double
        fileprivate let onFailure: @Sendable (PostgresError) -> Void
        private let proofChannel = "janus_proof_" + UUID().uuidString.lowercased().filter { $0 != "-" }
        private var connection: PostgresConnection?
        private var waiting: [QueueEvent] = []
        private var failures = 0

        fileprivate init(
            address: PostgresAddress, proofSeconds: Double, onFailure: @escaping @Sendable (PostgresError) -> Void
        ) {
            self.address = address
            self.proofSeconds = proofSeconds
            self.onFailure = onFailure
        }

        /// nil once the task is cancelled.
        package mutating func next() async -> QueueEvent? {
            while !Task.isCancelled {
                if !waiting.isEmpty { return waiting.removeFirst() }
                do throws(PostgresError) {
                    if let connection {
                        try await listen(on: connection)
                    } else {
                        connection = try await connect()
                        failures = 0
                        return .reconnected
                    }
                } catch {
                    connection = nil
                    if Task.isCancelled { break }
                    onFailure(error)
                    await pause()
                }
            }
            connection = nil
            return nil
        }

        private func connect() async throws(PostgresError) -> PostgresConnection {
            let connection = try await PostgresConnection.connect(
                to: address,
                options: PostgresOptions(applicationName: "janusd listener", statementSeconds: proofWaitSeconds))
            try await connection.runScript("LISTEN janus_queued; LISTEN janus_control; LISTEN \(proofChannel)")
            _ = try await prove(connection)
            return connection
        }

        private mutating func listen(on connection: PostgresConnection) async throws(PostgresError) {
            var heard = try await connection.notifications(withinSeconds: proofSeconds)
            if heard.isEmpty { heard = try await prove(connection) }
            for event in heard.compactMap({ Self.events[$0.channel] }) where !waiting.contains(event) {
                waiting.append(event)
            }
        }

        private static let events: [String: QueueEvent] = ["janus_queued": .work, "janus_control": .control]

        /// Hears itself, or throws. What else it hears meanwhile is returned.
        private func prove(_ connection: PostgresConnection) async throws(PostgresError) -> [PostgresNotification] {
            try await connection.query("SELECT pg_notify($1, '')", [.text(proofChannel)])
            var heard: [PostgresNotification] = []
            while !heard.contains(where: { $0.channel == proofChannel }) {
                let more = try await connection.notifications(withinSeconds: proofWaitSeconds)
                guard !more.isEmpty else {
                    throw .unexpectedResult(
                        "NOTIFY is not heard on this connection; a pooler in transaction mode swallows LISTEN: give the "
                            + "listener a direct connection")
                }
                heard += more
            }
            return heard
        }

        /// Grows from about half a second to half a minute; jitter keeps hosts apart.
        private mutating func pause() async {
            failures += 1
            let seconds = Swift.min(0.5 * pow(2, Double(failures - 1)), 30) * Double.random(in: 0.5...1)
            do { try await Task.sleep(for: .seconds(seconds)) } catch { return }
        }
    }
}

/// How long a self-notification may take.
private let proofWaitSeconds = 10.0
