import JanusJob
import JanusQueue
import Logging

/// Claims what can start now and runs it, until the host drains. The runs it started end within it.
struct ClaimLoop: Sendable {
    let configuration: SupervisorConfiguration
    let queue: JobQueue
    let pool: WorkerPool
    let lease: HostLease
    let due: WakeSignal
    let drain: DrainFlag
    let runner: JobRunner
    let logger: Logger

    func run() async {
        await withDiscardingTaskGroup { runs in
            while !Task.isCancelled {
                for model in configuration.models {
                    for claim in await claims(of: model.name) {
                        let accepted = await runner.accept(claim)
                        runs.addTask { await runner.run(accepted) }
                    }
                }
                await due.wait(seconds: jittered(configuration.pollSeconds))
            }
        }
    }

    private func claims(of model: String) async -> [ClaimedJob] {
        let capacity = await pool.places(for: model)
        guard capacity > 0, !drain.isRaised, lease.mayClaim(now: BootClock.now) else { return [] }
        do {
            return try await queue.claim(model: model, queues: configuration.queues, capacity: capacity)
        } catch {
            // the lease loop watches the connection; the next poll tries again
            logger.warning("claim failed", metadata: ["error": "\(error)"])
            return []
        }
    }
}
