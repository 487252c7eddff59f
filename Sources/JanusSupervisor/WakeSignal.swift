import Foundation
import Synchronization

/// A signal without a count: several wakes before a wait are one. Any number of tasks may wait; one wake releases all.
final class WakeSignal: Sendable {
    private struct State {
        var isPending = false
        var waiters: [UUID: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    func wake() {
        let released = state.withLock { state in
            state.isPending = state.waiters.isEmpty
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in released { waiter.resume() }
    }

    /// Returns after a wake, after `seconds`, or when the task is cancelled, whichever comes first.
    func wait(seconds: Double) async {
        await withTaskGroup { group in
            group.addTask { await self.next() }
            group.addTask { await pause(seconds: seconds) }
            await group.next()
            group.cancelAll()
        }
    }

    private func next() async {
        let id = UUID()
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    // a cancellation before this point has found no waiter to release
                    if state.isPending || Task.isCancelled {
                        state.isPending = false
                        return true
                    }
                    state.waiters[id] = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}

/// Waits; returns early, without an error, when the task is cancelled.
func pause(seconds: Double) async {
    // the only error is the cancellation, which the caller's loop sees for itself
    try? await Task.sleep(for: .seconds(seconds))
}

/// `seconds` ± a fifth, so that hosts do not poll in step.
func jittered(_ seconds: Double) -> Double { seconds * Double.random(in: 0.8...1.2) }
