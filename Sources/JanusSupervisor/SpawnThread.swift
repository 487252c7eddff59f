import Foundation
import Synchronization

/// The one thread that forks workers. PR_SET_PDEATHSIG fires when the forking *thread* ends, so it never does.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()

    private let pending = Mutex<[@Sendable () -> Void]>([])
    private let available = DispatchSemaphore(value: 0)

    private init() {
        let thread = Thread { [self] in
            while true {
                available.wait()
                pending.withLock { $0.removeFirst() }()
            }
        }
        thread.name = "spawn"
        thread.start()
    }

    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            pending.withLock { $0.append { continuation.resume(returning: work()) } }
            available.signal()
        }
    }
}
