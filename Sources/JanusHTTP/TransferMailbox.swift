import Synchronization

/// Names one `send` among those of its client.
struct TransferTicket: Hashable, Sendable {
    fileprivate let number: UInt64
}

/// One `send` on its way to the loop; whoever takes it resumes its continuation exactly once.
struct TransferOrder: Sendable {
    let ticket: TransferTicket
    let request: HTTPRequest
    let continuation: CheckedContinuation<Result<HTTPResponse, HTTPError>, Never>
}

/// What tasks hand to the loop's thread: new transfers, cancellations, the end.
final class TransferMailbox: Sendable {
    struct Batch {
        var orders: [TransferOrder] = []
        var canceled: [TransferTicket] = []
        var isClosing = false
    }

    private struct State {
        var batch = Batch()
        var ticketsGiven: UInt64 = 0
        /// The loop runs and sleeps in this handle's poll.
        var waker: MultiWaker?
        /// The loop has ended, or never began: orders fail with this.
        var refusal: HTTPError?
    }

    private let state = Mutex(State())

    func newTicket() -> TransferTicket {
        state.withLock { state in
            state.ticketsGiven += 1
            return TransferTicket(number: state.ticketsGiven)
        }
    }

    func submit(_ order: TransferOrder) {
        let refusal = state.withLock { state -> HTTPError? in
            if let refusal = state.refusal { return refusal }
            state.batch.orders.append(order)
            state.waker?.wake()
            return nil
        }
        if let refusal { order.continuation.resume(returning: .failure(refusal)) }
    }

    /// A ticket whose transfer is over is no fault.
    func cancel(_ ticket: TransferTicket) {
        state.withLock { state in
            guard state.refusal == nil else { return }
            state.batch.canceled.append(ticket)
            state.waker?.wake()
        }
    }

    /// Asks the loop to end.
    func close() {
        state.withLock { state in
            state.batch.isClosing = true
            state.waker?.wake()
        }
    }

    // MARK: the loop's side

    func begin(_ waker: MultiWaker) {
        state.withLock { $0.waker = waker }
    }

    func take() -> Batch {
        state.withLock { state in
            defer { state.batch.orders = []; state.batch.canceled = [] }
            return state.batch
        }
    }

    /// After this nothing wakes the handle; what still waited, or comes later, fails.
    func end(_ refusal: HTTPError) {
        let left = state.withLock { state in
            state.waker = nil
            state.refusal = refusal
            defer { state.batch = Batch() }
            return state.batch.orders
        }
        for order in left { order.continuation.resume(returning: .failure(refusal)) }
    }
}
