import Foundation
import JanusEngine
import JanusJob

/// Jobs that are handed to a batch at once, until all have ended, and what that took.
struct BatchRun {
    struct Job {
        var task: JobTask
        var pictures: [Data] = []
    }

    /// In the jobs' order.
    let products: [JobProduct]
    /// Seconds from the handing over of the first until the last has ended.
    let whole: Double
    /// Seconds of a step, over all steps in which every job drew a token and no prompt went in; nil where there is none.
    let step: Double?

    /// - Throws: where a job fails, or did not compute its whole prompt.
    init(_ batcher: Batcher, _ jobs: [Job]) throws(Failure) {
        batcher.dropUnusedPrefixes()
        let found = batcher.prefixes.found
        var results = [Result<JobProduct, Interruption>?](repeating: nil, count: jobs.count)
        var isDrawing = [Bool](repeating: false, count: jobs.count)
        // of the first step in which all draw, and of the first in which one ends
        var (begin, end): (ContinuousClock.Instant?, ContinuousClock.Instant?)
        var steps = 0
        let start = ContinuousClock.now
        for (index, job) in jobs.enumerated() {
            batcher.submit(job.task, pictures: job.pictures) { progress in
                if progress.phase == .drawing { isDrawing[index] = true }
                return true
            } end: {
                results[index] = $0
            }
        }
        while !batcher.isIdle {
            let now = ContinuousClock.now
            batcher.advance()
            guard isDrawing.allSatisfy({ $0 }) else { continue }
            if results.allSatisfy({ $0 == nil }) {
                begin = begin ?? now
                steps += 1
            } else {
                end = end ?? now
            }
        }
        whole = (ContinuousClock.now - start) / .seconds(1)
        if let begin, let end, steps > 0 { step = (end - begin) / .seconds(1) / Double(steps) } else { step = nil }
        var products: [JobProduct] = []
        for result in results {
            guard let result else { throw Failure("a job has no end") }
            do throws(Interruption) { products.append(try result.get()) } catch { throw Failure(error) }
        }
        self.products = products
        guard batcher.prefixes.found == found else { throw Failure("a prompt was found that a job had left behind") }
    }
}
