import Synchronization

/// Bounds what goes on at once, as `FairPlaces` decides: uploads, fetches of inputs and webhooks each have one.
package final class Turnstile: Sendable {
    private struct State {
        var places: FairPlaces
        var waiting: [FairPlaces.Ticket: CheckedContinuation<Bool, Never>] = [:]
        var ticketsGiven = 0
    }

    private let state: Mutex<State>
    /// Called when an owner has fewer than it may again, and when there was no place and is one.
    private let freed: @Sendable () -> Void

    package init(_ limits: PlaceLimits, freed: @escaping @Sendable () -> Void) {
        state = Mutex(State(places: FairPlaces(limits)))
        self.freed = freed
    }

    /// As things are now.
    package var places: FairPlaces { state.withLock { $0.places } }

    /// Waits for a place and keeps it while `body` runs.
    /// - Parameter hosts: what `body` reaches.
    /// - Returns: nil when the task was cancelled before there was one.
    package func withPlace<Value>(owner: String, hosts: Set<String>, _ body: () async -> Value) async -> Value? {
        guard let ticket = await enter(owner, hosts) else { return nil }
        defer { leave(ticket, of: owner) }
        return await body()
    }

    /// A place at once, or nil; `leave` gives it back.
    package func enterNow(owner: String, hosts: Set<String>) -> FairPlaces.Ticket? {
        state.withLock { state in
            state.ticketsGiven += 1
            let ticket = state.ticketsGiven
            return state.places.enterNow(ticket, owner: owner, hosts: hosts) ? ticket : nil
        }
    }

    package func leave(_ ticket: FairPlaces.Ticket, of owner: String) {
        let (admitted, isFreed) = state.withLock { state in
            let (wasCrowded, wasFull) = (state.places.isCrowded(owner), state.places.free == 0)
            state.places.leave(ticket)
            let admitted = Self.admit(&state)
            let isFreed =
                (wasCrowded && !state.places.isCrowded(owner)) || (wasFull && state.places.free > 0)
            return (admitted, isFreed)
        }
        for continuation in admitted { continuation.resume(returning: true) }
        if isFreed { freed() }
    }

    package func change(to limits: PlaceLimits) {
        let admitted = state.withLock { state in
            state.places.limits = limits
            return Self.admit(&state)
        }
        for continuation in admitted { continuation.resume(returning: true) }
        freed()
    }

    private func enter(_ owner: String, _ hosts: Set<String>) async -> FairPlaces.Ticket? {
        let ticket = state.withLock { state in
            state.ticketsGiven += 1
            return state.ticketsGiven
        }
        let isInside = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                // the handler may have run before there was a wait to end
                if Task.isCancelled { return continuation.resume(returning: false) }
                let admitted = state.withLock { state in
                    state.waiting[ticket] = continuation
                    state.places.arrive(ticket, owner: owner, hosts: hosts)
                    return Self.admit(&state)
                }
                for continuation in admitted { continuation.resume(returning: true) }
                // cancelled between the look above and the lock: the handler found nothing
                if Task.isCancelled { giveUp(ticket) }
            }
        } onCancel: {
            giveUp(ticket)
        }
        return isInside ? ticket : nil
    }

    /// Ends a wait; what is inside by now stays there until it leaves.
    private func giveUp(_ ticket: FairPlaces.Ticket) {
        let waiting = state.withLock { state in
            let waiting = state.waiting.removeValue(forKey: ticket)
            if waiting != nil { state.places.leave(ticket) }
            return waiting
        }
        guard let waiting else { return }
        waiting.resume(returning: false)
        freed()
    }

    private static func admit(_ state: inout State) -> [CheckedContinuation<Bool, Never>] {
        state.places.admit().compactMap { state.waiting.removeValue(forKey: $0) }
    }
}

/// The three ways by which jobs reach others, each bounded for itself, so that none starves another.
struct Turnstiles: Sendable {
    let inputs: Turnstile
    let uploads: Turnstile
    let webhooks: Turnstile

    init(_ limits: TransferLimits, claimDue: WakeSignal, webhookDue: WakeSignal) {
        inputs = Turnstile(limits.inputPlaces) { claimDue.wake() }
        uploads = Turnstile(limits.uploadPlaces) { claimDue.wake() }
        webhooks = Turnstile(limits.webhookPlaces) { webhookDue.wake() }
    }

    func change(to limits: TransferLimits) {
        inputs.change(to: limits.inputPlaces)
        uploads.change(to: limits.uploadPlaces)
        webhooks.change(to: limits.webhookPlaces)
    }
}

extension TransferLimits {
    fileprivate var inputPlaces: PlaceLimits { PlaceLimits(total: inputs, owner: PreparationWindow.ownerMax) }
    fileprivate var uploadPlaces: PlaceLimits { PlaceLimits(total: uploads) }
    fileprivate var webhookPlaces: PlaceLimits { PlaceLimits(total: webhooks) }
}
