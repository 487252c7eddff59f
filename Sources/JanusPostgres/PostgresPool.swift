import Foundation

/// A few connections, made when first needed and again after they broke.
package actor PostgresPool {
    package nonisolated let address: PostgresAddress
    private let options: PostgresOptions
    private let connectionsMax: Int
    private var idle: [PostgresConnection] = []
    private var lentCount = 0
    private var waiters: [(id: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    private var nextWaiter: UInt64 = 0

    package init(address: PostgresAddress, options: PostgresOptions, connectionsMax: Int) {
        self.address = address
        self.options = options
        self.connectionsMax = max(connectionsMax, 1)
    }

    /// Lends `body` a connection that nobody else uses meanwhile.
    package nonisolated(nonsending) func withConnection<Value>(
        _ body: (PostgresConnection) async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        let connection = try await lend()
        do {
            let value = try await body(connection)
            await takeBack(connection)
            return value
        } catch {
            await takeBack(connection)
            throw error
        }
    }

    private func lend() async throws(PostgresError) -> PostgresConnection {
        if lentCount >= connectionsMax {
            guard await waitForTurn() else { throw .canceled }
        } else {
            lentCount += 1
        }
        // From here on one of the places is ours; it goes to the next waiter if no connection comes about.
        while let connection = idle.popLast() {
            if await connection.isReusable() { return connection }
        }
        do {
            return try await PostgresConnection.connect(to: address, options: options)
        } catch {
            passOn()
            throw error
        }
    }

    private func takeBack(_ connection: PostgresConnection) async {
        if await connection.isReusable() { idle.append(connection) } else { await connection.close() }
        passOn()
    }

    /// A place is free: the next waiter has it.
    private func passOn() {
        if waiters.isEmpty { lentCount -= 1 } else { waiters.removeFirst().continuation.resume(returning: true) }
    }

    /// - Returns: false if the task was cancelled while it waited.
    private func waitForTurn() async -> Bool {
        let id = nextWaiter
        nextWaiter += 1
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: false)
                } else {
                    waiters.append((id, continuation))
                }
            }
        } onCancel: {
            Task { await self.giveUp(id) }
        }
    }

    private func giveUp(_ id: UInt64) {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
        waiters.remove(at: index).continuation.resume(returning: false)
    }
}
