import JanusJob
import JanusQueue
import Logging

/// Claims what can start now, or prepare for it, and runs it, until the host drains. The runs it started end within it.
struct ClaimLoop: Sendable {
    let configuration: SupervisorConfiguration
    let queue: JobQueue
    let pool: WorkerPool
    let turnstiles: Turnstiles
    let lease: HostLease
    let due: WakeSignal
    let drain: DrainFlag
    let runner: JobRunner
    let logger: Logger

    func run() async {
        await withDiscardingTaskGroup { runs in
            while !Task.isCancelled {
                var isMoreLikely = false
                for model in configuration.models {
                    let (claims, isAllOfRoom) = await claims(of: model.name)
                    for claim in claims {
                        let accepted = await runner.accept(claim)
                        runs.addTask { await runner.run(accepted) }
                    }
                    isMoreLikely = isMoreLikely || isAllOfRoom
                }
                if !isMoreLikely { await due.wait(seconds: jittered(configuration.pollSeconds)) }
            }
        }
    }

    /// - Returns: also whether they are all that was asked for: runs that prepare leave their places to others.
    private func claims(of model: String) async -> ([ClaimedJob], isAllOfRoom: Bool) {
        let (room, preparing) = await pool.opening(for: model)
        guard room > 0, !drain.isRaised, lease.mayClaim(now: BootClock.now) else { return ([], false) }
        // their next jobs would only wait
        let crowded = Set(turnstiles.uploads.places.crowdedOwners).union(preparing)
        do {
            let claims = try await queue.claim(
                model: model, queues: configuration.queues, capacity: room, excludedOwners: crowded.sorted())
            return (claims, claims.count == room)
        } catch {
            // the lease loop watches the connection; the next poll tries again
            logger.warning("claim failed", metadata: ["error": "\(error)"])
            return ([], false)
        }
    }
}
