package import JanusJob

/// What the end of a claim makes of its job: decided without I/O.
package struct FinishDecision: Sendable, Equatable {
    /// What of the job's row the decision depends on, read under its lock.
    package struct Standing: Sendable, Equatable {
        /// Charged so far, this one included.
        package var attempts: Int
        package var attemptsMax: Int
        package var handovers: Int
        package var handoversMax: Int
        package var isCancelRequested: Bool

        package init(attempts: Int, attemptsMax: Int, handovers: Int, handoversMax: Int, isCancelRequested: Bool) {
            self.attempts = attempts
            self.attemptsMax = attemptsMax
            self.handovers = handovers
            self.handoversMax = handoversMax
            self.isCancelRequested = isCancelRequested
        }
    }

    package enum Next: Sendable, Equatable {
        case succeeded(JobResult)
        case failed(JobError)
        case canceled
        /// Another attempt, after a delay.
        case retried(afterSeconds: Double, JobError)
        /// Back at once; the attempt is given back.
        case handedOver
    }

    package var next: Next
    /// What the attempt's record says.
    package var attemptError: JobError?

    /// A result that is there is taken even if a cancel came meanwhile; anything less ends as canceled then.
    package init(_ outcome: JobOutcome, _ standing: Standing, rule: RetryRule, jitter: Double) {
        switch outcome {
        case .succeeded(let result):
            next = .succeeded(result)
        case .canceled:
            next = .canceled
        case .failed(let error):
            attemptError = error
            switch rule.verdict(
                on: error, attempts: standing.attempts, attemptsMax: standing.attemptsMax, jitter: jitter)
            {
            case .failed: next = .failed(error)
            case .retry(let seconds):
                next = standing.isCancelRequested ? .canceled : .retried(afterSeconds: seconds, error)
            }
        case .released(let reason):
            attemptError = JobError(.handedOver, reason)
            if standing.isCancelRequested {
                next = .canceled
            } else if standing.handovers >= standing.handoversMax {
                next = .failed(JobError.tooManyHandovers(standing.handoversMax, reason))
            } else {
                next = .handedOver
            }
        }
    }

    /// The job's state from then on.
    package var state: JobState {
        switch next {
        case .succeeded: .succeeded
        case .failed: .failed
        case .canceled: .canceled
        case .retried, .handedOver: .queued
        }
    }
}

extension JobError {
    static func tooManyHandovers(_ handoversMax: Int, _ reason: String) -> JobError {
        JobError(
            .internalError,
            "handed back to the queue more than \(handoversMax) times, the limit of setting handovers_max; last: \(reason)",
            retryable: false)
    }
}

extension JobOutcome {
    /// `attempt.outcome`.
    var recordedName: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .canceled: "canceled"
        case .released: "released"
        }
    }
}
