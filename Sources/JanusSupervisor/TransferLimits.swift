package import JanusDelivery

/// How many transfers of each kind may be under way, so that neither descriptors nor threads run out whatever others do.
package struct TransferLimits: Sendable, Equatable {
    package var uploads: Int
    package var webhooks: Int
    package var inputs: Int

    /// What the rest of the daemon has open and runs.
    package struct Rest: Sendable {
        package var workers: Int
        package var threadsOfWorker: Int
        package var databaseConnections: Int
        package var cores: Int

        package init(workers: Int, threadsOfWorker: Int, databaseConnections: Int, cores: Int) {
            self.workers = workers
            self.threadsOfWorker = threadsOfWorker
            self.databaseConnections = databaseConnections
            self.cores = cores
        }

        /// Standard streams, libdispatch, libcurl's wake-ups and idle connections, name resolution, the log, and as much again.
        static let descriptorsBase = 48
        /// A socket, a pipe and a pidfd each, and what starting one takes.
        package var descriptors: Int { Self.descriptorsBase + 3 * workers + 6 + databaseConnections }
        /// Ours for curl, spawning and signals; Swift's and libdispatch's; one for each connection.
        package var tasks: Int { 16 + 2 * cores + databaseConnections + workers * (threadsOfWorker + 4) }
    }

    /// Of the limits, what may be used: the rest is for what we did not think of.
    package static let share = 0.8
    /// Two sockets while both kinds of addresses are tried, or a folder, its child and a file.
    static let descriptorsOfTransfer = 3
    /// libcurl resolves each name on a thread of its own.
    static let tasksOfTransfer = 1
    /// Below this an owner's quarter would be none.
    static let least = 4

    /// - Parameters:
    ///   - policy: what is asked for.
    ///   - inputs: the same for inputs.
    /// - Throws: `limits` when they leave no room for the least.
    package init(_ policy: DeliveryPolicy, inputs: Int, limits: ProcessLimits, rest: Rest) throws(SupervisorError) {
        let byDescriptors =
            (Int(Self.share * Double(limits.descriptors)) - rest.descriptors) / Self.descriptorsOfTransfer
        let byTasks = limits.tasks.map { (Int(Self.share * Double($0)) - rest.tasks) / Self.tasksOfTransfer }
        let wish = [policy.uploadsMax, policy.webhooksMax, inputs].map { max($0, Self.least) }
        let room = min(byDescriptors, byTasks ?? byDescriptors)
        guard room >= wish.count * Self.least else {
            let missing = wish.count * Self.least - room
            let isOfTasks = byTasks.map { $0 < byDescriptors } ?? false
            throw .limits(
                reason: isOfTasks
                    ? "TasksMax, \(limits.tasks ?? 0), is too small for these settings by about \(Int(Double(missing) / Self.share) + 1)"
                    : "RLIMIT_NOFILE, \(limits.descriptors), is too small for these settings by about "
                        + "\(Int(Double(missing * Self.descriptorsOfTransfer) / Self.share) + 1)")
        }
        // each the least, and of what is left its share of what it wants
        let spare = room - wish.count * Self.least
        let more = wish.reduce(0) { $0 + $1 - Self.least }
        let given = more <= spare ? wish : wish.map { Self.least + ($0 - Self.least) * spare / more }
        (uploads, webhooks, self.inputs) = (given[0], given[1], given[2])
    }
}
