import CJanusKernels
import COpenBLAS
import Foundation
import Synchronization

/// How many threads the kernels and OpenBLAS use, and with which instructions. Set once at start, before a model is
/// loaded.
package enum Threads {
    private static let configured = Atomic<Int>(0)
    private static let chosenISA = Atomic<Int>(-1)

    /// Starts the threads: afterwards no kernel starts another, as a worker's sandbox would refuse it.
    /// - Parameter count: at least 1.
    package static func configure(_ count: Int) {
        precondition(count >= 1 && count <= threadsMax, "\(count) threads")
        configured.store(count, ordering: .relaxed)
        janus_pool_configure(count)
        openblas_set_num_threads(Int32(count))
    }

    /// The configured number; until then, the number of processors.
    package static var count: Int {
        let count = configured.load(ordering: .relaxed)
        if count > 0 { return count }
        let processors = min(ProcessInfo.processInfo.activeProcessorCount, threadsMax)
        // Another thread may configure at the same time: it wins.
        if configured.compareExchange(expected: 0, desired: processors, ordering: .relaxed).exchanged {
            janus_pool_configure(processors)
        }
        return configured.load(ordering: .relaxed)
    }

    /// What packed products use: the processor's best, unless configured.
    package static var isa: InstructionSet {
        InstructionSet(rawValue: chosenISA.load(ordering: .relaxed)) ?? bestISA
    }

    private static let bestISA = InstructionSet.best

    /// - Parameter isa: one that this processor has.
    package static func configure(isa: InstructionSet) {
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        chosenISA.store(isa.rawValue, ordering: .relaxed)
    }

    /// What the pool can start.
    package static let threadsMax = 256

    /// Parts for each thread: the one that is ahead takes over from the one that is held up.
    private static let partsPerThread = 4

    /// Calls `body` with parts of 0..<count, in parallel where the work is worth it. The parts differ with the number of
    /// threads: `body` must give each index the same result whatever part it is in.
    /// - Parameter grain: indices that are too little for a thread of their own.
    static func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        let threads = Self.count
        let parts = min(threads * partsPerThread, (count + grain - 1) / max(grain, 1))
        guard threads > 1, parts > 1 else { return body(0..<count) }
        // Where there is enough to share out, parts become smaller and smaller: long ones first, as memory is read best in
        // long runs, short ones last, so that no thread waits long for another.
        let shrinks = parts == threads * partsPerThread
        func start(_ part: Int) -> Int {
            let left = parts - part
            return count - (shrinks ? count * left * left / (parts * parts) : count * left / parts)
        }
        // Each part writes its own indices only.
        runInPool(parts) { part in
            let range = start(part)..<start(part + 1)
            if !range.isEmpty { body(range) }
        }
    }

    /// The values of `body` for 0..<count, computed in parallel.
    /// - Parameter body: may run on any of the pool's threads, several at the same time.
    package static func map<Value>(_ count: Int, _ body: (Int) -> Value?) -> [Value?] {
        var values: [Value?] = []
        map(count, into: &values, body)
        return values
    }

    /// As `map(_:_:)`, into an array's own memory.
    package static func map<Value>(_ count: Int, into values: inout [Value?], _ body: (Int) -> Value?) {
        values.removeAll(keepingCapacity: true)
        for _ in 0..<count { values.append(nil) }
        unsafe values.withUnsafeMutableBufferPointer { buffer in
            // Each index is written by the one part that it is in.
            nonisolated(unsafe) let buffer = unsafe buffer
            split(count, grain: 1) { range in
                for index in range { unsafe buffer[index] = body(index) }
            }
        }
    }
}

/// Calls `body` for each part of 0..<parts, each once, on any of the pool's threads; returns when all have ended. While
/// another caller has the threads, or from within a part, the caller runs them all by itself.
///
/// The pool is in C (pool.c) and takes the closure as Swift passes it, so that it stays where it is: on the stack.
@_silgen_name("janus_pool_run")
private func runInPool(_ parts: Int, _ body: (_ part: Int) -> Void)
