import ArgumentParser
import Foundation
import JanusDelivery
import JanusHTTP
import JanusQueue
import JanusSupervisor
import Logging
import UnixSignals

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Claim jobs, run them in worker processes, deliver, record: the daemon.",
        discussion: """
            Runs in the foreground and logs to standard error. The database may be away at the start or later.

            SIGTERM or SIGINT: stop claiming, finish what ends within shutdown.grace_seconds, hand the rest back.
            A second one: hand back at once. Nothing is lost either way.

            Example: janusd serve --config /etc/janusd/janusd.yaml
            """)

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let settings = try await Settings(file: options.config)
        let plan = try ServePlan(settings)
        let (level, format) = (plan.logLevel, plan.logFormat)
        LoggingSystem.bootstrap { _ in LineLogHandler(level: level, format: format) }
        let logger = Logger(label: "janusd")
        let queue = try JobQueue(dsn: plan.dsn, options: plan.queueOptions, connections: plan.connections)
        let listener =
            try plan.listens
            ? QueueListener(dsn: plan.listenDSN) { error in
                logger.warning("not listening: jobs wait for the next poll", metadata: ["error": "\(error)"])
            } : nil
        let supervisor = try Supervisor(
            configuration: plan.supervisor, queue: queue, delivery: try Delivery(plan.supervisor.delivery),
            listener: listener, logger: logger)
        try await withSignals { orders in await supervisor.run(orders: orders) }
    }

    /// SIGTERM and SIGINT as orders: the first drains, the second hurries.
    private func withSignals(_ body: (AsyncStream<Supervisor.Order>) async -> Void) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let (orders, continuation) = AsyncStream<Supervisor.Order>.makeStream()
        let listening = Task {
            var isFirst = true
            for await _ in signals {
                continuation.yield(isFirst ? .drain : .stopNow)
                isFirst = false
            }
        }
        await body(orders)
        listening.cancel()
    }
}

struct ConfigurationOptions: ParsableArguments {
    @Option(help: "YAML file; default: \(Settings.defaultFile) if it is there. `janusd settings` prints one.")
    var config: String?
}
