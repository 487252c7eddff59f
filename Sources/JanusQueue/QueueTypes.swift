package import Foundation
package import JanusJob

/// Who this daemon is to the queue, and its times.
package struct QueueOptions: Sendable {
    /// Random for every start of a daemon.
    package let instance = UUID()
    package var hostName: String
    /// A claim lives this long after its last renewal; renew at a third of it.
    package var leaseSeconds: Double
    /// Deadline of every statement.
    package var statementSeconds: Double
    /// When a failed attempt is tried again, whoever ends it.
    package var retry: RetryRule

    package init(
        hostName: String, leaseSeconds: Double, statementSeconds: Double, retry: RetryRule
    ) {
        self.hostName = hostName
        self.leaseSeconds = leaseSeconds
        self.statementSeconds = statementSeconds
        self.retry = retry
    }
}

/// What a heartbeat says of one run.
package struct RunReport: Sendable, Equatable {
    package var run: JobRun
    package var claimToken: UUID
    package var progress: JobProgress

    package init(run: JobRun, claimToken: UUID, progress: JobProgress) {
        self.run = run
        self.claimToken = claimToken
        self.progress = progress
    }
}

/// What the queue answers to a heartbeat.
package struct RenewReply: Sendable, Equatable {
    /// Somebody else's by now: stop, throw the work away, deliver nothing.
    package var lost: [JobRun]
    package var cancelRequested: [JobRun]
    /// The database's clock, which all times are.
    package var serverNow: Date
    /// Since the server started: before that, no host could renew.
    package var serverAgeSeconds: Double

    package init(lost: [JobRun], cancelRequested: [JobRun], serverNow: Date, serverAgeSeconds: Double) {
        self.lost = lost
        self.cancelRequested = cancelRequested
        self.serverNow = serverNow
        self.serverAgeSeconds = serverAgeSeconds
    }
}

/// What came of finishing a claim.
package enum FinishReceipt: Sendable, Equatable {
    /// Recorded now; the job is in this state.
    case recorded(JobState)
    /// Recorded earlier by this very claim, whose acknowledgement was lost; the job went to this state.
    case alreadyRecorded(JobState)
    /// The claim is not ours any more: deliver nothing.
    case lost
}

/// A model of which no worker of a host starts.
package struct FailedModel: Sendable, Equatable {
    package var host: String
    package var model: String
    package var reason: String
}

/// One webhook that is due, as the outbox holds it.
package struct DueWebhook: Sendable, Equatable {
    package var id: Int64
    package var owner: String
    package var message: WebhookMessage
    /// The ordinal of the try that is due, 1 for the first.
    package var attempt: Int
    /// When another host takes it, as microseconds of the database: what a record proves that it is still ours.
    package var takenUntil: Int64
}
