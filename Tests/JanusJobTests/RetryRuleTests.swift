import JanusJob
import Testing

@Suite struct RetryRuleTests {
    let rule = RetryRule(firstDelaySeconds: 5, delaySecondsMax: 60, jitterShare: 0.2)

    @Test("delays double from the first and stop at the cap")
    func exponential() {
        let delays = (1...7).map { rule.delaySeconds(afterAttempt: $0, jitter: 0.5) }
        #expect(delays == [5, 10, 20, 40, 60, 60, 60])
    }

    @Test("a very late attempt does not overflow", arguments: [0, 1000, Int.max])
    func extremes(attempt: Int) {
        #expect((5...60).contains(rule.delaySeconds(afterAttempt: attempt, jitter: 0.5)))
    }

    @Test("jitter moves a delay by at most its share")
    func jitter() {
        #expect(rule.delaySeconds(afterAttempt: 1, jitter: 0) == 4)
        #expect(rule.delaySeconds(afterAttempt: 1, jitter: 0.999_999) < 6)
    }

    @Test("a retryable error is tried again while attempts are left")
    func verdicts() {
        let crash = JobError(.workerCrashed, "signal 9")
        #expect(rule.verdict(on: crash, attempts: 1, attemptsMax: 3, jitter: 0.5) == .retry(afterSeconds: 5))
        #expect(rule.verdict(on: crash, attempts: 3, attemptsMax: 3, jitter: 0.5) == .failed)
    }

    @Test("what another attempt cannot mend fails at once")
    func permanent() {
        let error = JobError(.invalidImage, "not a picture")
        #expect(rule.verdict(on: error, attempts: 1, attemptsMax: 5, jitter: 0.5) == .failed)
    }
}
