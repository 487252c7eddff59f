package import JanusJob

/// How a claim came to its end: as its host reports it, or as its rows show when no host does.
package enum ClaimEnd: Sendable, Equatable {
    /// - Parameter isSuspect: the job was in a batch that crashed.
    case reported(JobOutcome, isSuspect: Bool = false)
    /// Its daemon holds it in the database and not in memory: the claim's acknowledgement was lost.
    case unknownToDaemon
    /// Its host stopped renewing the lease of an attempt that began so long ago.
    case leaseExpired(host: String, runSeconds: Double, runTimeoutSeconds: Double)

    /// What it means for the job.
    var outcome: JobOutcome {
        switch self {
        case .reported(let outcome, _): outcome
        case .unknownToDaemon:
            .released(reason: "the daemon that claimed it did not know of the claim: the connection broke meanwhile")
        case .leaseExpired(let host, let runSeconds, let runTimeoutSeconds) where runSeconds > runTimeoutSeconds:
            .failed(
                JobError(
                    .runTimeout,
                    "the attempt ran longer than run_timeout, \(runTimeoutSeconds) s, on host \(host), which stopped "
                        + "renewing its lease"))
        case .leaseExpired(let host, _, _):
            .failed(
                JobError(
                    .leaseExpired,
                    "host \(host) stopped renewing its lease: it crashed, lost the database, or was cut off"))
        }
    }

    /// `attempt.outcome`.
    var recordedName: String {
        switch self {
        case .leaseExpired: "lease_expired"
        case .reported, .unknownToDaemon:
            switch outcome {
            case .succeeded: "succeeded"
            case .failed: "failed"
            case .canceled: "canceled"
            case .released: "released"
            }
        }
    }
}

/// What the end of a claim makes of its job: the one place that decides it, from the locked row and without I/O. SQL
/// locks the row, fences by the claim's token and writes what is said here.
package struct FinishDecision: Sendable, Equatable {
    /// What of the job's row the decision depends on, read under its lock.
    package struct Standing: Sendable, Equatable {
        /// Charged so far, this one included.
        package var attempts: Int
        package var attemptsMax: Int
        package var handovers: Int
        package var handoversMax: Int
        package var isCancelRequested: Bool
        package var isSuspect: Bool

        package init(
            attempts: Int, attemptsMax: Int, handovers: Int, handoversMax: Int, isCancelRequested: Bool,
            isSuspect: Bool
        ) {
            self.attempts = attempts
            self.attemptsMax = attemptsMax
            self.handovers = handovers
            self.handoversMax = handoversMax
            self.isCancelRequested = isCancelRequested
            self.isSuspect = isSuspect
        }
    }

    /// `attempt.outcome`.
    package var outcomeName: String
    /// `attempt.error`.
    package var attemptError: JobError?
    /// The job's state from then on.
    package var state: JobState
    /// Of a job that is tried again: how long it waits at least. One that is handed over keeps its place in line.
    package var delaySeconds: Double?
    package var attempts: Int
    package var handovers: Int
    package var isSuspect: Bool
    /// `job.error`, unless an earlier attempt's stays.
    package var error: JobError?
    package var keepsError: Bool
    package var result: JobResult?

    /// A result that is there is taken even if a cancel came meanwhile; anything less ends as canceled then.
    /// - Parameter jitter: a uniform draw from 0 ..< 1 for the delay of a retry.
    package init(_ end: ClaimEnd, _ standing: Standing, rule: RetryRule, jitter: Double) {
        outcomeName = end.recordedName
        attempts = standing.attempts
        handovers = standing.handovers
        isSuspect = standing.isSuspect
        keepsError = true
        switch end.outcome {
        case .succeeded(let result):
            state = .succeeded
            self.result = result
            isSuspect = false
            keepsError = false
        case .canceled:
            state = .canceled
        case .failed(let failure) where standing.isCancelRequested:
            state = .canceled
            attemptError = failure
        case .failed(let failure):
            attemptError = failure
            switch rule.verdict(
                on: failure, attempts: standing.attempts, attemptsMax: standing.attemptsMax, jitter: jitter)
            {
            case .failed:
                state = .failed
                (error, keepsError) = (failure, false)
            case .retry(let seconds):
                state = .queued
                delaySeconds = seconds
                (error, keepsError) = (failure, false)
                // a host that vanished tells nothing of its jobs; an attempt that was charged was not among others
                if case .reported(_, let isSuspect) = end { self.isSuspect = isSuspect }
            }
        case .released(let reason):
            attemptError = JobError(.handedOver, reason)
            if standing.isCancelRequested {
                state = .canceled
            } else if standing.handovers >= standing.handoversMax {
                state = .failed
                (error, keepsError) = (.tooManyHandovers(standing.handoversMax, reason), false)
            } else {
                state = .queued
                attempts -= 1
                handovers += 1
                if case .reported(_, true) = end { isSuspect = true }
            }
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
