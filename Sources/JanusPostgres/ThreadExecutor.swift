import Dispatch
import Foundation
import Synchronization

/// Runs an actor on a thread of its own, so that blocking calls of libpq hold up no one else.
final class ThreadExecutor: SerialExecutor {
    private let jobs = JobList()

    init(name: String) {
        let jobs = jobs
        let thread = Thread { jobs.run() }
        thread.name = name
        thread.start()
    }

    deinit { jobs.end() }

    func enqueue(_ job: consuming ExecutorJob) {
        unsafe jobs.add(Entry(job: UnownedJob(job), executor: asUnownedSerialExecutor()))
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    @safe private struct Entry: Sendable {
        var job: UnownedJob
        /// Alive while `job` is: the job keeps its actor, the actor its executor.
        var executor: UnownedSerialExecutor
    }

    /// Shared by the executor, which adds and ends, and its thread, which takes.
    private final class JobList: Sendable {
        private let waiting = Mutex<(entries: [Entry], ended: Bool)>(([], false))
        private let available = DispatchSemaphore(value: 0)

        func add(_ entry: Entry) {
            waiting.withLock { $0.entries.append(entry) }
            available.signal()
        }

        func end() {
            waiting.withLock { $0.ended = true }
            available.signal()
        }

        func run() {
            while true {
                available.wait()
                let (entry, ended) = waiting.withLock {
                    ($0.entries.isEmpty ? nil : $0.entries.removeFirst(), $0.ended)
                }
                if let entry {
                    unsafe entry.job.runSynchronously(on: entry.executor)
                } else if ended {
                    return
                }
            }
        }
    }
}
