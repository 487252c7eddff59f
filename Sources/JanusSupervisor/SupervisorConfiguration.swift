import Foundation
package import JanusDelivery
package import JanusQueue
package import JanusWire

/// Everything that a supervisor needs to know; janusd reads it from file and environment.
package struct SupervisorConfiguration: Sendable {
    /// One checkpoint and the workers that hold it.
    package struct Model: Sendable {
        /// How each worker of it is started.
        package var worker: WorkerSettings
        package var workers: Int

        package init(worker: WorkerSettings, workers: Int) {
            self.worker = worker
            self.workers = workers
        }

        /// What `model => …` of a job names.
        package var name: String { worker.modelName }
    }

    package var models: [Model]
    /// The janus-worker to start.
    package var workerProgram: String
    /// Connections to the database, all of them.
    package var databaseConnections: Int
    /// Queues whose jobs this host takes.
    package var queues: [String]
    /// Host and release as `janus.workers` shows them.
    package var version: String
    /// How often progress is written while jobs run; also how late a cancel may arrive without a notification.
    package var progressSeconds: Double
    /// How often the queue is looked at without a notification; jittered by a fifth.
    package var pollSeconds: Double
    package var reloaded: Reloaded

    /// What can change while the daemon runs.
    package struct Reloaded: Sendable {
        /// How long SIGTERM waits for running jobs.
        package var graceSeconds: Double
        package var retention: RetentionRule
        package var delivery: DeliveryPolicy

        package init(graceSeconds: Double, retention: RetentionRule, delivery: DeliveryPolicy) {
            self.graceSeconds = graceSeconds
            self.retention = retention
            self.delivery = delivery
        }
    }

    package init(
        models: [Model], workerProgram: String, databaseConnections: Int, queues: [String], version: String,
        progressSeconds: Double, pollSeconds: Double, reloaded: Reloaded
    ) {
        self.models = models
        self.workerProgram = workerProgram
        self.databaseConnections = databaseConnections
        self.queues = queues
        self.version = version
        self.progressSeconds = progressSeconds
        self.pollSeconds = pollSeconds
        self.reloaded = reloaded
    }

    /// Runs that have no place in a worker yet.
    var preparedMax: Int {
        models.reduce(0) { $0 + PreparationWindow.runsMax(places: $1.workers * $1.worker.jobs) }
    }

    /// - Throws: `limits` when they leave no room for the least.
    func transferLimits(
        _ delivery: DeliveryPolicy, _ limits: ProcessLimits
    ) throws(SupervisorError) -> TransferLimits {
        try TransferLimits(delivery, inputs: preparedMax, limits: limits, rest: rest)
    }

    /// What of the process's descriptors and threads is not for transfers.
    var rest: TransferLimits.Rest {
        TransferLimits.Rest(
            workers: models.reduce(0) { $0 + $1.workers }, threadsOfWorker: models.map(\.worker.threads).max() ?? 0,
            databaseConnections: databaseConnections, cores: ProcessInfo.processInfo.activeProcessorCount)
    }
}
