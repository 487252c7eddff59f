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
    /// Or why the row has none that can be read.
    package var task: Result<JobTask, JobError>
    /// 1 for the first attempt.
    package var attempt: Int
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

    package init(
        run: JobRun, claimToken: UUID, uuid: UUID, owner: String, model: String, task: Result<JobTask, JobError>,
        attempt: Int, runTimeoutSeconds: Double, imageURLs: [String], inlineImageCount: Int, uploadTo: [String],
        webhookURL: String?, webhookEvents: Set<String>, isSuspect: Bool
    ) {
        self.run = run
        self.claimToken = claimToken
        self.uuid = uuid
        self.owner = owner
        self.model = model
        self.task = task
        self.attempt = attempt
        self.runTimeoutSeconds = runTimeoutSeconds
        self.imageURLs = imageURLs
        self.inlineImageCount = inlineImageCount
        self.uploadTo = uploadTo
        self.webhookURL = webhookURL
        self.webhookEvents = webhookEvents
        self.isSuspect = isSuspect
    }
}
