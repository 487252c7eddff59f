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
            SIGHUP: read the configuration again. What `janusd settings` marks (reload) changes; what needs a restart is \
            named in the log; of a configuration that is invalid nothing is taken.

            Example: janusd serve --config /etc/janusd/janusd.yaml
            """)

    /// For the last lines, when the reader has stopped reading.
    private static let flushSeconds = 2.0

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        // a reader of the log that goes away is no reason to end
        signal(SIGPIPE, SIG_IGN)
        // first of all: until then SIGHUP would end the process
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let settings = try await Settings(file: options.config)
        let plan = try ServePlan(settings)
        let log = Log(LogFormat(plan.logForm), level: plan.logLevel)
        defer { log.output.flush(seconds: Self.flushSeconds) }
        LoggingSystem.bootstrap { _ in LineLogHandler(log) }
        let logger = Logger(label: "janusd")
        let queue = try JobQueue(dsn: plan.dsn, options: plan.queueOptions, connections: plan.connections)
        let listener =
            try plan.listens
            ? QueueListener(dsn: plan.listenDSN) { error in
                logger.warning("not listening: jobs wait for the next poll", metadata: ["error": "\(error)"])
            } : nil
        let supervisor = try Supervisor(
            configuration: plan.supervisor, queue: queue, delivery: try Delivery(plan.supervisor.reloaded.delivery),
            listener: listener, logger: logger, linesLost: { log.output.lost })
        let reload = Reload(file: options.config, first: settings, supervisor: supervisor, log: log, logger: logger)
        await obey(signals, reload) { orders in await supervisor.run(orders: orders) }
    }

    /// SIGTERM and SIGINT as orders: the first drains, the second hurries; SIGHUP reloads.
    private func obey(
        _ signals: UnixSignalsSequence, _ reload: Reload, _ body: (AsyncStream<Supervisor.Order>) async -> Void
    ) async {
        let (orders, continuation) = AsyncStream<Supervisor.Order>.makeStream()
        let (hangups, hangup) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let listening = Task {
            var isFirst = true
            for await signal in signals {
                if signal == .sighup {
                    hangup.yield()
                } else {
                    continuation.yield(isFirst ? .drain : .stopNow)
                    isFirst = false
                }
            }
        }
        // beside the signals: a slow disk must not keep SIGTERM waiting
        let reloading = Task {
            var reload = reload
            for await _ in hangups { await reload.run() }
        }
        await body(orders)
        listening.cancel()
        reloading.cancel()
    }
}

struct ConfigurationOptions: ParsableArguments {
    @Option(help: "YAML file; default: \(Settings.defaultFile) if it is there. `janusd settings` prints one.")
    var config: String?
}
