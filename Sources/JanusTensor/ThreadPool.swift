import Foundation

/// Threads that exist before the work does, so that a sandboxed worker never starts one.
///
/// libdispatch would read /proc and start threads at any time, which the worker's sandbox refuses.
/// `@unchecked Sendable`: every stored variable is read and written under `condition`.
final class ThreadPool: @unchecked Sendable {
    private let condition = NSCondition()
    /// Held while a call runs; a second caller works alone instead of waiting.
    private let turn = NSLock()
    /// Counts calls; a thread that sees a new number has a part to do.
    private var generation = 0
    private var parts = 0
    private var unfinished = 0
    private var body: ((Int) -> Void)?
    private let helpers: Int

    /// - Parameter threads: the caller's included, at least 1.
    init(threads: Int) {
        helpers = threads - 1
        for index in 0..<helpers {
            let thread = Thread { [self] in serve(part: index + 1) }
            thread.name = "janus-compute"
            thread.start()
        }
    }

    /// Calls `body` with each of 0..<parts, part 0 on the calling thread, and returns when all have ended.
    /// - Parameter parts: at most the threads of the pool.
    func run(parts: Int, _ body: (Int) -> Void) {
        precondition(parts <= helpers + 1, "\(parts) parts for \(helpers + 1) threads")
        guard parts > 1, turn.try() else {
            for part in 0..<parts { body(part) }
            return
        }
        defer { turn.unlock() }
        withoutActuallyEscaping(body) { body in
            condition.lock()
            self.body = body
            self.parts = parts
            unfinished = parts - 1
            generation += 1
            condition.broadcast()
            condition.unlock()
            body(0)
            condition.lock()
            while unfinished > 0 { condition.wait() }
            self.body = nil
            condition.unlock()
        }
    }

    private func serve(part: Int) {
        var seen = 0
        condition.lock()
        while true {
            while generation == seen { condition.wait() }
            seen = generation
            guard part < parts, let body else { continue }
            condition.unlock()
            body(part)
            condition.lock()
            unfinished -= 1
            if unfinished == 0 { condition.broadcast() }
        }
    }
}
