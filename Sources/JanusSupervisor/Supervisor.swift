import Foundation
package import JanusDelivery
import JanusHTTP
package import JanusQueue
package import Logging

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

    private let configuration: SupervisorConfiguration
    private let queue: JobQueue
    private let delivery: Delivery
    private let listener: QueueListener?
    private let logger: Logger

    private let lease: HostLease
    private let claimDue = WakeSignal()
    private let webhookDue = WakeSignal()
    private let renewDue = WakeSignal()
    private let drain = DrainFlag()
    private let activeRuns = ActiveRuns()
    private let pool: WorkerPool
    private let turnstiles: Turnstiles
    private let caller: WebhookCaller
    private let manager = ServiceManager()

    /// - Parameter listener: nil polls only.
    /// - Throws: `limits` when the kernel allows too few descriptors or threads for the configuration.
    package init(
        configuration: SupervisorConfiguration, queue: JobQueue, delivery: Delivery, listener: QueueListener?,
        logger: Logger
    ) throws(SupervisorError) {
        self.configuration = configuration
        self.queue = queue
        self.delivery = delivery
        self.listener = listener
        self.logger = logger
        lease = HostLease(seconds: queue.options.leaseSeconds)
        pool = WorkerPool(
            program: configuration.workerProgram, models: configuration.models, idle: claimDue, logger: logger)
        let limits = try TransferLimits(
            configuration.delivery, inputs: configuration.preparedMax, limits: try ProcessLimits.raised(),
            rest: configuration.rest)
        let claimWake: @Sendable () -> Void = { [claimDue] in claimDue.wake() }
        turnstiles = Turnstiles(
            inputs: Turnstile(
                PlaceLimits(total: limits.inputs, owner: PreparationWindow.ownerMax), freed: claimWake),
            uploads: Turnstile(PlaceLimits(total: limits.uploads), freed: claimWake),
            webhooks: Turnstile(PlaceLimits(total: limits.webhooks), freed: { [webhookDue] in webhookDue.wake() }))
        caller = WebhookCaller(webhooks: delivery.webhooks, places: turnstiles.webhooks, lease: lease)
    }

    /// Serves until the orders say stop. Jobs that could not be handed over by then go back after the lease.
    package func run(orders: AsyncStream<Order>) async {
        await withTaskGroup { group in
            for service in services { group.addTask { await service() } }
            group.addTask { await claimLoop.run() }
            manager.ready()
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
        ] + chores.map { chore in { await chore.run() } }
    }

    private var chores: [MaintenanceLoop] {
        let (configuration, queue, lease) = (configuration, queue, lease)
        let retention = configuration.retention
        let models = configuration.models.map(\.name)
        let sweep = OrphanSweep(
            queue: queue, uploader: delivery.uploader, afterSeconds: 2 * lease.seconds, logger: logger)
        return [
            MaintenanceLoop(
                name: "swept", seconds: lease.seconds,
                isAllowed: { lease.mayClaim(now: BootClock.now) && configuration.delivery.fileRoot != nil },
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
                work: { () async throws(QueueError) -> Int in try await queue.prune(retention) }, logger: logger),
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
            let counts = await pool.counts
            let running = await activeRuns.runs.count
            let database = lease.mayClaim(now: BootClock.now) ? "database connected" : "database away"
            manager.status(
                "\(running) jobs running, room for \(counts.places) more, \(counts.ready) of \(counts.all) workers ready, "
                    + database)
            manager.alive()
            await pause(seconds: min(manager.watchdogSeconds ?? 5, 5))
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
                    patience.addTask { await self.activeRuns.waitUntilEmpty(seconds: self.configuration.graceSeconds) }
                    patience.addTask { await hurry.wait(seconds: self.configuration.graceSeconds) }
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
            "draining", metadata: ["running": "\(running)", "grace_seconds": "\(configuration.graceSeconds)"])
    }

    private func deregister() async {
        do {
            try await queue.deregister()
        } catch {
            logger.debug("not deregistered; the lease will tell", metadata: ["error": "\(error)"])
        }
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
