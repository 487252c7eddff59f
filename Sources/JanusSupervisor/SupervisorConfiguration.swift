package import JanusDelivery
package import JanusQueue

/// Everything that a supervisor needs to know; janusd reads it from file and environment.
package struct SupervisorConfiguration: Sendable {
    /// One checkpoint and the workers that hold it.
    package struct Model: Sendable {
        /// What `model => …` of a job names.
        package var name: String
        /// How to start one worker of it.
        package var worker: WorkerCommand
        package var workers: Int

        package init(name: String, worker: WorkerCommand, workers: Int) {
            self.name = name
            self.worker = worker
            self.workers = workers
        }
    }

    package var models: [Model]
    /// Queues whose jobs this host takes.
    package var queues: [String]
    /// Host and release as `janus.workers` shows them.
    package var version: String
    /// How often progress is written while jobs run; also how late a cancel may arrive without a notification.
    package var progressSeconds: Double
    /// How often the queue is looked at without a notification; jittered by a fifth.
    package var pollSeconds: Double
    /// How long SIGTERM waits for running jobs.
    package var graceSeconds: Double
    package var retention: RetentionRule
    package var delivery: DeliveryPolicy

    package init(
        models: [Model], queues: [String], version: String, progressSeconds: Double,
        pollSeconds: Double, graceSeconds: Double, retention: RetentionRule,
        delivery: DeliveryPolicy
    ) {
        self.models = models
        self.queues = queues
        self.version = version
        self.progressSeconds = progressSeconds
        self.pollSeconds = pollSeconds
        self.graceSeconds = graceSeconds
        self.retention = retention
        self.delivery = delivery
    }
}
