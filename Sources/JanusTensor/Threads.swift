import COpenBLAS
import Foundation
import Synchronization

/// How many threads the kernels and OpenBLAS use. Set once at start, before a model is loaded.
package enum Threads {
    private static let pool = Mutex<(threads: Int, pool: ThreadPool)?>(nil)

    /// Starts the threads: afterwards no kernel starts another.
    /// - Parameter count: at least 1.
    package static func configure(_ count: Int) {
        precondition(count >= 1 && count <= threadsMax, "\(count) threads")
        pool.withLock { pool in
            // threads of an earlier, other configuration sleep until the process ends
            if pool?.threads != count { pool = (count, ThreadPool(threads: count)) }
        }
        openblas_set_num_threads(Int32(count))
    }

    /// The configured number; until then, the number of processors.
    package static var count: Int { pool.withLock { $0?.threads } ?? processors }

    package static let threadsMax = 1024

    private static let processors = min(ProcessInfo.processInfo.activeProcessorCount, threadsMax)

    /// Calls `body` with parts of 0..<count, in parallel where the work is worth it. The parts differ with the number of
    /// threads: `body` must give each index the same result whatever part it is in.
    /// - Parameter grain: indices that are too little for a thread of their own.
    static func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        let current = pool.withLock { pool in
            if let pool { return pool }
            let made = (threads: processors, pool: ThreadPool(threads: processors))
            pool = made
            return made
        }
        let parts = min(current.threads, (count + grain - 1) / max(grain, 1))
        guard parts > 1 else { return body(0..<count) }
        current.pool.run(parts: parts) { part in
            body((count * part / parts)..<(count * (part + 1) / parts))
        }
    }
}
