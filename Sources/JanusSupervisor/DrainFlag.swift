import Synchronization

/// Raised once, by the first signal: no more claims.
final class DrainFlag: Sendable {
    private let raised = Atomic<Bool>(false)
    private let wake = WakeSignal()

    var isRaised: Bool { raised.load(ordering: .acquiring) }

    func raise() {
        raised.store(true, ordering: .releasing)
        wake.wake()
    }

    func wait() async { await wake.wait(seconds: 3600) }
}
