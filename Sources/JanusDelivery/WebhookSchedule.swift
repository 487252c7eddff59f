/// When a webhook is tried again: eleven tries within a little more than a day.
package enum WebhookSchedule {
    /// Delay after the first, second, … failed try.
    package static let delaysSeconds: [Double] = [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 36000]
    /// The delay is multiplied by a factor in 1 ± this share.
    package static let jitterShare = 0.1
    /// What a receiver may ask for by Retry-After.
    package static let retryAfterSecondsMax: Double = 86400

    /// Seconds to wait after a failed try, or nil when the webhook is to be abandoned.
    /// - Parameters:
    ///   - attempt: the ordinal of the try that failed, ≥ 1.
    ///   - retryAfterSeconds: the receiver's wish; it only lengthens the wait.
    ///   - jitter: a uniform draw from 0 ..< 1.
    package static func delaySeconds(
        afterAttempt attempt: Int, retryAfterSeconds: Double? = nil, jitter: Double
    ) -> Double? {
        guard attempt >= 1, attempt <= delaysSeconds.count else { return nil }
        let own = delaysSeconds[attempt - 1] * (1 + jitterShare * (2 * jitter - 1))
        return max(own, min(retryAfterSeconds ?? 0, retryAfterSecondsMax))
    }
}
