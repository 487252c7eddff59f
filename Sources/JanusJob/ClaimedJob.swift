package import Foundation

/// One job as the queue hands it to the supervisor, and what every later write of this claim must prove.
package struct ClaimedJob: Sendable, Equatable {
    package var run: JobRun
    /// Random; a write without it changes nothing.
    package var claimToken: UUID
    /// The job's public name, used in object names.
    package var uuid: UUID
    /// The PostgreSQL role that owns the job.
    package var owner: String
    package var model: String
    package var task: JobTask
    /// 1 for the first attempt.
    package var attempt: Int
    package var attemptsMax: Int
    /// Running time that one attempt may take.
    package var runTimeoutSeconds: Double
    /// Pictures to fetch; they come before the inline ones.
    package var imageURLs: [String]
    /// How many pictures `JobQueue.inlineImages` returns.
    package var inlineImageCount: Int
    /// Sinks in the row's words; empty means `db:`.
    package var uploadTo: [String]
    package var webhookURL: String?
    /// Names without `job.`: started, progress, succeeded, failed, canceled.
    package var webhookEvents: Set<String>
    /// Runs alone because it was in a batch that crashed.
    package var isSuspect: Bool
    /// W3C trace context, carried through.
    package var traceparent: String?

    package init(
        run: JobRun, claimToken: UUID, uuid: UUID, owner: String, model: String, task: JobTask, attempt: Int,
        attemptsMax: Int, runTimeoutSeconds: Double, imageURLs: [String], inlineImageCount: Int, uploadTo: [String],
        webhookURL: String?, webhookEvents: Set<String>, isSuspect: Bool, traceparent: String?
    ) {
        self.run = run
        self.claimToken = claimToken
        self.uuid = uuid
        self.owner = owner
        self.model = model
        self.task = task
        self.attempt = attempt
        self.attemptsMax = attemptsMax
        self.runTimeoutSeconds = runTimeoutSeconds
        self.imageURLs = imageURLs
        self.inlineImageCount = inlineImageCount
        self.uploadTo = uploadTo
        self.webhookURL = webhookURL
        self.webhookEvents = webhookEvents
        self.isSuspect = isSuspect
        self.traceparent = traceparent
    }

    /// Pictures that the worker waits for, in order: the URLs', then the inline ones.
    package var inputCount: Int { imageURLs.count + inlineImageCount }
}
