import Foundation
package import JanusDelivery
import JanusHTTP
package import JanusQueue
package import Logging
import Synchronization

/// The daemon: keeps workers alive, claims, runs, delivers, records; on structured concurrency throughout.
package struct Supervisor: Sendable {
    /// What a signal asks for.
    package enum Order: Sendable {
        /// Stop claiming; finish what ends within the grace period, hand the rest over.
        case drain
        /// Hand everything over at once.
        case stopNow
    }

    /// After the grace period, how long workers may take to stop and outcomes to be recorded.
    private static let handOverSecondsMax = RunMachine.stopSecondsMax + 5
    private static let tickSeconds = 0.5
    private static let expirySeconds = 5.0
    private static let defaultModelSeconds = 5.0
    private static let digestSeconds = 2.0
    private static let tidySeconds = 60.0
    private static let pruneSeconds = 600.0
    /// After which a database that neither answers nor refuses counts as away.
    private static let contactSecondsMax = 60.0
    private static let failuresSeconds = 30.0
    private static let failuresRetrySeconds = 2.0

    private let configuration: SupervisorConfiguration
    private let queue: JobQueue
    private let delivery: Delivery
    private let listener: QueueListener?
    private let logger: Logger
    private let linesLost: @Sendable () -> Int

    private let lease: HostLease
    private let claimDue = WakeSignal()
    private let webhookDue = WakeSignal()
    private let renewDue = WakeSignal()
    private let failuresChanged = WakeSignal()
    private let drain = DrainFlag()
    private let activeRuns = ActiveRuns()
    private let pool: WorkerPool
    private let processLimits: ProcessLimits
    private let turnstiles: Turnstiles
    private let caller: WebhookCaller
    private let manager = ServiceManager()
    private let reloaded: Reloaded

    /// - Parameters:
    ///   - listener: nil polls only.
    ///   - linesLost: log lines that could not be written since the start.
    /// - Throws: `limits` when the kernel allows too few descriptors or threads for the configuration.
    package init(
        configuration: SupervisorConfiguration, queue: JobQueue, delivery: Delivery, listener: QueueListener?,
        logger: Logger, linesLost: @escaping @Sendable () -> Int
    ) throws(SupervisorError) {
        self.configuration = configuration
        self.queue = queue
        self.delivery = delivery
        self.listener = listener
        self.logger = logger
        self.linesLost = linesLost
        reloaded = Reloaded(configuration.reloaded)
        lease = HostLease(seconds: queue.options.leaseSeconds)
        pool = WorkerPool(
            program: configuration.workerProgram, models: configuration.models, idle: claimDue,
            failuresChanged: failuresChanged, logger: logger)
        processLimits = try ProcessLimits.raised()
        turnstiles = Turnstiles(
            try configuration.transferLimits(configuration.reloaded.delivery, processLimits), claimDue: claimDue,
            webhookDue: webhookDue)
        caller = WebhookCaller(webhooks: delivery.webhooks, places: turnstiles.webhooks, lease: lease)
    }

    /// Serves until the orders say stop. Jobs that could not be handed over by then go back after the lease.
    package func run(orders: AsyncStream<Order>) async {
        await withTaskGroup { group in
            for service in services { group.addTask { await service() } }
            group.addTask { await claimLoop.run() }
            group.addTask { await announce() }
            logger.info(
                "serving",
                metadata: [
                    "models": "\(configuration.models.map(\.name).joined(separator: ","))",
                    "uploads_at_once": "\(turnstiles.uploads.places.limits.total)",
                    "webhooks_at_once": "\(turnstiles.webhooks.places.limits.total)",
                    "inputs_at_once": "\(turnstiles.inputs.places.limits.total)",
                ])
            await stop(orders)
            group.cancelAll()
        }
        await deregister()
        logger.info("stopped")
    }

    /// Takes over what can change while jobs run.
    /// - Parameter read: of what is invalid nothing is taken over, and it is said.
    /// - Returns: whether it holds now.
    package func reload(_ read: () async throws -> SupervisorConfiguration.Reloaded) async -> Bool {
        guard !drain.isRaised else { return false }
        manager.reloading()
        defer { if !drain.isRaised { manager.reloaded() } }
        do {
            let new = try await read()
            let limits = try configuration.transferLimits(new.delivery, processLimits)
            try delivery.change(to: new.delivery)
            turnstiles.change(to: limits)
            reloaded.current = new
            return true
        } catch {
            logger.error("configuration not reloaded, what held before holds on", metadata: ["error": "\(error)"])
            return false
        }
    }

    /// Tells the service manager that the loops run, once it is known whether the database is there; the status line says which.
    private func announce() async {
        await lease.waitUntilKnown(seconds: Self.contactSecondsMax)
        guard !Task.isCancelled, !drain.isRaised else { return }
        manager.status(await status)
        manager.ready()
    }

    private var claimLoop: ClaimLoop {
        let runner = JobRunner(
            queue: queue, pool: pool, activeRuns: activeRuns, lease: lease, delivery: delivery, turnstiles: turnstiles,
            events: EventSender(queue: queue, caller: caller),
            webhookDue: webhookDue, logger: logger)
        return ClaimLoop(
            configuration: configuration, queue: queue, pool: pool, turnstiles: turnstiles, lease: lease, due: claimDue,
            drain: drain, runner: runner, logger: logger)
    }

    /// Everything that runs beside the claims, in no order.
    private var services: [@Sendable () async -> Void] {
        let leaseLoop = LeaseLoop(
            configuration: configuration, queue: queue, activeRuns: activeRuns, lease: lease, claimDue: claimDue,
            renewDue: renewDue, logger: logger)
        let webhookLoop = WebhookLoop(queue: queue, caller: caller, lease: lease, due: webhookDue, logger: logger)
        return [
            { await pool.run() },
            { await leaseLoop.run() },
            { await webhookLoop.run() },
            { await listen() },
            { await tick() },
            { await report() },
            { await reportFailures() },
        ] + chores.map { chore in { await chore.run() } }
    }

    private var chores: [MaintenanceLoop] {
        let (queue, lease, reloaded) = (queue, lease, reloaded)
        let models = configuration.models.map(\.name)
        let sweep = OrphanSweep(
            queue: queue, uploader: delivery.uploader, afterSeconds: 2 * lease.seconds, logger: logger)
        return [
            MaintenanceLoop(
                name: "swept", seconds: lease.seconds,
                isAllowed: { lease.mayClaim(now: BootClock.now) && reloaded.current.delivery.fileRoot != nil },
                work: { () async throws(QueueError) -> Int in try await sweep.run() }, logger: logger),
            MaintenanceLoop(
                name: "rescued", seconds: lease.seconds / 2,
                isAllowed: { lease.mayRescue(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in try await rescueAll(queue) },
                logger: logger),
            MaintenanceLoop(
                name: "expired", seconds: Self.expirySeconds, isAllowed: { lease.mayClaim(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in try await queue.expireQueued() }, logger: logger),
            MaintenanceLoop(
                name: "arrivals taken to their lanes", seconds: Self.digestSeconds,
                isAllowed: { lease.mayClaim(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in
                    _ = try await queue.digestArrivals(
                        models: configuration.models.map(\.name), queues: configuration.queues)
                    return 0
                }, logger: logger),
            MaintenanceLoop(
                name: "lanes removed", seconds: Self.tidySeconds, isAllowed: { lease.mayClaim(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in try await queue.tidyLanes() }, logger: logger),
            MaintenanceLoop(
                name: "given the default model", seconds: Self.defaultModelSeconds,
                isAllowed: { lease.mayClaim(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in try await queue.nameDefaultModel(models) },
                logger: logger),
            MaintenanceLoop(
                name: "pruned", seconds: Self.pruneSeconds, isAllowed: { lease.mayClaim(now: BootClock.now) },
                work: { () async throws(QueueError) -> Int in try await queue.prune(reloaded.current.retention) },
                logger: logger),
        ]
    }

    /// Notifications only hasten what polling does anyway.
    private func listen() async {
        guard let listener else { return }
        for await event in listener {
            switch event {
            case .work: claimDue.wake()
            case .control:
                // a cancel was asked for, or a webhook is due
                renewDue.wake()
                webhookDue.wake()
            case .reconnected:
                for due in [claimDue, renewDue, webhookDue] { due.wake() }
            }
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            await activeRuns.tick(BootClock.now)
            await pause(seconds: Self.tickSeconds)
        }
    }

    /// The service manager's status line and watchdog. The watchdog is fed through both actors that every job passes,
    /// so a deadlock there starves it.
    private func report() async {
        while !Task.isCancelled {
            manager.status(await status)
            manager.alive()
            await pause(seconds: min(manager.watchdogSeconds ?? 5, 5))
        }
    }

    private var status: String {
        get async {
            let counts = await pool.counts
            let running = await activeRuns.runs.count
            var parts = [
                "\(running) jobs running", "room for \(counts.places) more",
                "\(counts.ready) of \(counts.all) workers ready",
                lease.mayClaim(now: BootClock.now) ? "database connected" : "database away",
            ]
            parts += await pool.failures.sorted { $0.key < $1.key }.map { "model \($0.key) failed: \($0.value)" }
            let lost = linesLost()
            if lost > 0 { parts.append("\(lost) log lines lost") }
            return parts.joined(separator: ", ")
        }
    }

    /// Keeps the database told of models that have failed, whatever becomes of this daemon's row.
    private func reportFailures() async {
        while !Task.isCancelled {
            let failures = await pool.failures
            var isTold = false
            do {
                if lease.mayClaim(now: BootClock.now) {
                    try await queue.report(failedModels: failures)
                    isTold = true
                }
            } catch {
                // the lease loop watches the connection
                logger.debug("failed models not reported", metadata: ["error": "\(error)"])
            }
            await failuresChanged.wait(seconds: isTold ? Self.failuresSeconds : Self.failuresRetrySeconds)
        }
    }

    /// Waits for orders and carries them out; returns when nothing is left to wait for.
    private func stop(_ orders: AsyncStream<Order>) async {
        let hurry = WakeSignal()
        await withTaskGroup { group in
            group.addTask {
                for await order in orders {
                    switch order {
                    case .drain: await self.beginDrain()
                    case .stopNow:
                        await self.beginDrain()
                        hurry.wake()
                    }
                }
            }
            group.addTask {
                while !drain.isRaised, !Task.isCancelled { await drain.wait() }
                await withTaskGroup { patience in
                    patience.addTask {
                        await self.activeRuns.waitUntilEmpty(seconds: self.reloaded.current.graceSeconds)
                    }
                    patience.addTask { await hurry.wait(seconds: self.reloaded.current.graceSeconds) }
                    await patience.next()
                    patience.cancelAll()
                }
                await self.activeRuns.stopAll(.draining)
                await self.activeRuns.waitUntilEmpty(seconds: Self.handOverSecondsMax)
            }
            // the orders end with the process: the second task decides
            await group.next()
            group.cancelAll()
        }
    }

    private func beginDrain() async {
        guard !drain.isRaised else { return }
        drain.raise()
        manager.stopping()
        let running = await activeRuns.runs.count
        logger.info(
            "draining", metadata: ["running": "\(running)", "grace_seconds": "\(reloaded.current.graceSeconds)"])
    }

    private func deregister() async {
        do {
            try await queue.deregister()
        } catch {
            logger.debug("not deregistered; the lease will tell", metadata: ["error": "\(error)"])
        }
    }
}

/// What a reload has changed last.
private final class Reloaded: Sendable {
    private let state: Mutex<SupervisorConfiguration.Reloaded>

    init(_ first: SupervisorConfiguration.Reloaded) { state = Mutex(first) }

    var current: SupervisorConfiguration.Reloaded {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Batch after batch, until nothing is left to rescue.
private func rescueAll(_ queue: JobQueue) async throws(QueueError) -> Int {
    var rescued = 0
    while true {
        let batch = try await queue.rescue()
        rescued += batch.count
        if batch.isEmpty { return rescued }
    }
}
