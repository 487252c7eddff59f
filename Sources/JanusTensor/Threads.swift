import COpenBLAS
import Foundation
import Synchronization

/// How many threads the kernels and OpenBLAS use. Set once at start, before a model is loaded.
package enum Threads {
    private static let configured = Atomic<Int>(0)

    /// - Parameter count: at least 1.
    package static func configure(_ count: Int) {
        precondition(count >= 1 && count <= threadsMax, "\(count) threads")
        configured.store(count, ordering: .relaxed)
        openblas_set_num_threads(Int32(count))
    }

    /// The configured number; until then, the number of processors.
    package static var count: Int {
        let count = configured.load(ordering: .relaxed)
        return count > 0 ? count : min(ProcessInfo.processInfo.activeProcessorCount, threadsMax)
    }

    package static let threadsMax = 1024

    /// Calls `body` with parts of 0..<count, in parallel where the work is worth it. The parts differ with the number of
    /// threads: `body` must give each index the same result whatever part it is in.
    /// - Parameter grain: indices that are too little for a thread of their own.
    static func split(_ count: Int, grain: Int, _ body: @escaping (Range<Int>) -> Void) {
        let parts = min(Self.count, (count + grain - 1) / max(grain, 1))
        guard parts > 1 else { return body(0..<count) }
        // Each part writes its own indices only, and concurrentPerform returns when all have ended.
        nonisolated(unsafe) let shared = body
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            let low = count * part / parts
            let high = count * (part + 1) / parts
            unsafe shared(low..<high)
        }
    }
}
