import JanusJob
import JanusQueue
import Testing

@Suite("What the end of a claim makes of its job")
struct FinishDecisionTests {
    private static let crash = JobError(.workerCrashed, "x")
    private static let released = ClaimEnd.reported(.released(reason: "x"))
    private static let vanished = ClaimEnd.leaseExpired(host: "h", runSeconds: 90, runTimeoutSeconds: 1800)
    private static let vanishedLate = ClaimEnd.leaseExpired(host: "h", runSeconds: 1801, runTimeoutSeconds: 1800)

    /// Of at most 3 attempts and 2 hand-overs; delays are 10, 20, … s.
    private func decide(
        _ end: ClaimEnd, attempts: Int = 1, handovers: Int = 0, canceled: Bool = false, suspect: Bool = false
    ) -> FinishDecision {
        FinishDecision(
            end,
            FinishDecision.Standing(
                attempts: attempts, attemptsMax: 3, handovers: handovers, handoversMax: 2, isCancelRequested: canceled,
                isSuspect: suspect),
            rule: RetryRule(firstDelaySeconds: 10, delaySecondsMax: 60, jitterShare: 0), jitter: 0.5)
    }

    @Test("a result counts, even if a cancel came meanwhile, and clears what went before")
    func succeeded() {
        let result = JobResult(
            outputs: [JobOutput(text: "yes")], completion: JobCompletion(finishReason: .stop, usage: JobUsage()))
        let decision = decide(.reported(.succeeded(result)), canceled: true, suspect: true)
        #expect(decision.state == .succeeded && decision.result == result && decision.outcomeName == "succeeded")
        #expect(decision.error == nil && !decision.keepsError && decision.attemptError == nil && !decision.isSuspect)
        #expect(decision.attempts == 1 && decision.handovers == 0)
    }

    @Test(
        "a failed attempt and one whose host vanished are charged alike: backoff, then the end",
        arguments: [
            ClaimEnd.reported(.failed(FinishDecisionTests.crash)), FinishDecisionTests.vanished,
            FinishDecisionTests.vanishedLate,
        ])
    func charged(_ end: ClaimEnd) {
        let first = decide(end)
        #expect(first.state == .queued && first.delaySeconds == 10 && first.attempts == 1 && first.handovers == 0)
        #expect(!first.keepsError && first.error == first.attemptError && first.error?.retryable == true)
        let second = decide(end, attempts: 2)
        #expect(second.state == .queued && second.delaySeconds == 20)
        let last = decide(end, attempts: 3)
        #expect(last.state == .failed && last.delaySeconds == nil && last.error == last.attemptError)
        let canceled = decide(end, canceled: true)
        #expect(canceled.state == .canceled && canceled.keepsError && canceled.attemptError != nil)
    }

    @Test("a cancel that was asked for wins over every failure", arguments: [1, 3])
    func canceled(attempts: Int) {
        for code in [JobErrorCode.workerCrashed, .invalidImage] {
            let decision = decide(.reported(.failed(JobError(code, "x"))), attempts: attempts, canceled: true)
            #expect(decision.state == .canceled && decision.attemptError?.code == code)
        }
        #expect(decide(Self.vanished, attempts: attempts, canceled: true).state == .canceled)
        #expect(decide(.reported(.canceled)).state == .canceled)
    }

    @Test("an error that another attempt would meet again ends the job at once")
    func permanent() {
        let decision = decide(.reported(.failed(JobError(.invalidImage, "x"))))
        #expect(decision.state == .failed && decision.error?.code == .invalidImage)
    }

    @Test(
        "a hand-over and a claim that nobody knows of are uncharged alike, and bounded",
        arguments: [FinishDecisionTests.released, .unknownToDaemon])
    func handedOver(_ end: ClaimEnd) {
        let back = decide(end, handovers: 1)
        #expect(back.state == .queued && back.delaySeconds == nil && back.attempts == 0 && back.handovers == 2)
        #expect(back.attemptError?.code == .handedOver && back.keepsError)
        #expect(back.outcomeName == "released")
        let bounded = decide(end, handovers: 2)
        #expect(bounded.state == .failed && bounded.error?.retryable == false && bounded.attempts == 1)
        #expect(bounded.error?.message.contains("handovers_max") == true)
        #expect(decide(end, canceled: true).state == .canceled)
    }

    @Test("who was in a crashed batch runs alone next time; a charged attempt clears it, a vanished host does not")
    func suspicion() {
        let crashedBatch = ClaimEnd.reported(.released(reason: "x"), isSuspect: true)
        #expect(decide(crashedBatch).isSuspect)
        #expect(decide(Self.released, suspect: true).isSuspect && !decide(Self.released).isSuspect)
        #expect(!decide(.reported(.failed(Self.crash)), suspect: true).isSuspect)
        #expect(decide(Self.vanished, suspect: true).isSuspect && !decide(Self.vanished).isSuspect)
    }

    @Test("the attempt of a vanished host is recorded as such, with the reason")
    func recorded() {
        let expired = decide(Self.vanished)
        #expect(expired.outcomeName == "lease_expired" && expired.error?.code == .leaseExpired)
        let late = decide(Self.vanishedLate)
        #expect(late.outcomeName == "lease_expired" && late.error?.code == .runTimeout)
        #expect(late.error?.message.contains("run_timeout, 1800.0 s") == true)
    }
}
