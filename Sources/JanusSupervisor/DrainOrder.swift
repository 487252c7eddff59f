import Synchronization

/// Given once, by the first signal: no more claims.
final class DrainOrder: Sendable {
    private let given = Atomic<Bool>(false)
    private let wake = Wake()

    var isGiven: Bool { given.load(ordering: .acquiring) }

    func give() {
        given.store(true, ordering: .releasing)
        wake.wake()
    }

    func wait() async { await wake.wait(seconds: 3600) }
}
