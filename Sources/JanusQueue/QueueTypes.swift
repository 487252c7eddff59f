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
    package var phase: JobPhase
    /// Of `stepsTotal`, within the whole run.
    package var stepsDone: Int
    package var stepsTotal: Int

    package init(run: JobRun, claimToken: UUID, phase: JobPhase, stepsDone: Int, stepsTotal: Int) {
        self.run = run
        self.claimToken = claimToken
        self.phase = phase
        self.stepsDone = stepsDone
        self.stepsTotal = stepsTotal
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

/// One call of a webhook that is due.
package struct WebhookDelivery: Sendable, Equatable {
    package var id: Int64
    package var job: Int64
    /// `webhook-id`: the same for every attempt.
    package var messageID: String
    package var url: String
    /// Sent and signed byte for byte.
    package var body: Data
    /// All active secrets of the owner, 32 bytes each, the current one first.
    package var secrets: [Data]
    /// 1 for the first.
    package var attempt: Int
    package var createdAt: Date
}

/// How a call of a webhook ended.
package enum WebhookOutcome: Sendable, Equatable {
    case delivered(status: Int)
    case retry(status: Int?, error: String, afterSeconds: Double)
    case abandoned(status: Int?, error: String)
}
