package import JanusJob

/// What one janus-worker is started with.
package struct WorkerSettings: Sendable, Equatable {
    /// Packs that a worker makes of its checkpoint, and finds there the next time.
    package struct Packing: Sendable, Equatable {
        package var precision: PackedPrecision
        /// Where they are kept; shared by all workers.
        package var directory: String

        package init(_ precision: PackedPrecision, directory: String) {
            self.precision = precision
            self.directory = directory
        }
    }

    /// A checkpoint's directory, or a pack.
    package var model: String
    /// What `model => …` of a job names, and what outputs say.
    package var modelName: String
    /// nil: a checkpoint runs in f32, as it is.
    package var packing: Packing?
    /// nil: as the pack's precision has it.
    package var cacheFormat: KeyValueFormat?
    /// For keys and values of all its jobs.
    package var cacheMebibytes: Int
    /// Computed at once.
    package var jobs: Int
    package var threads: Int

    /// Of one worker.
    package static let threadsMax = 256

    package init(
        model: String, modelName: String, packing: Packing?, cacheFormat: KeyValueFormat?, cacheMebibytes: Int,
        jobs: Int, threads: Int
    ) {
        self.model = model
        self.modelName = modelName
        self.packing = packing
        self.cacheFormat = cacheFormat
        self.cacheMebibytes = cacheMebibytes
        self.jobs = jobs
        self.threads = threads
    }

    /// The command line; `janus-worker --help` explains each.
    /// - Parameter socket: the descriptor, in the worker, of the socket to its supervisor.
    package func arguments(socket: Int32) -> [String] {
        var options = [
            ("socket", "\(socket)"), ("model", model), ("model-name", modelName), ("threads", "\(threads)"),
            ("jobs", "\(jobs)"), ("cache-mib", "\(cacheMebibytes)"),
        ]
        if let cacheFormat { options.append(("cache-format", cacheFormat.rawValue)) }
        if let packing {
            options += [("precision", packing.precision.rawValue), ("packs", packing.directory)]
        }
        // one word an option: a value that begins with a hyphen is no option
        return options.map { "--\($0)=\($1)" }
    }
}
