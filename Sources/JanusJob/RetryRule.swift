/// When a failed attempt is tried again: exponential, capped, with jitter so that jobs that failed together spread out.
package struct RetryRule: Sendable, Equatable {
    package var firstDelaySeconds: Double
    package var delaySecondsMax: Double
    /// The delay is multiplied by a factor in 1 ± this share.
    package var jitterShare: Double

    package init(firstDelaySeconds: Double, delaySecondsMax: Double, jitterShare: Double = 0.2) {
        self.firstDelaySeconds = firstDelaySeconds
        self.delaySecondsMax = delaySecondsMax
        self.jitterShare = jitterShare
    }

    /// Seconds to wait after a failed attempt.
    /// - Parameters:
    ///   - attempt: the ordinal of the attempt that failed, ≥ 1.
    ///   - jitter: a uniform draw from 0 ..< 1.
    package func delaySeconds(afterAttempt attempt: Int, jitter: Double) -> Double {
        var delay = firstDelaySeconds
        for _ in 1..<max(attempt, 1) {
            delay *= 2
            if delay >= delaySecondsMax { break }
        }
        return min(delay, delaySecondsMax) * (1 + jitterShare * (2 * jitter - 1))
    }

    /// What becomes of a job whose attempt ended with `error`.
    /// - Parameter attempts: attempts charged so far, this one included.
    package func verdict(on error: JobError, attempts: Int, attemptsMax: Int, jitter: Double) -> Verdict {
        guard error.retryable, attempts < attemptsMax else { return .failed }
        return .retry(afterSeconds: delaySeconds(afterAttempt: attempts, jitter: jitter))
    }

    package enum Verdict: Sendable, Equatable {
        /// `running` → `queued` with a later `run_at`.
        case retry(afterSeconds: Double)
        /// `running` → `failed`.
        case failed
    }
}
