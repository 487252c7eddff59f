import JanusQueue
import Logging

/// Keeps the host registered and its claims renewed, and tells the runs what the database says of them.
///
/// One renewal is one statement for all runs, and touches no row that a client could hold. While the database is away
/// the loop tries again with backoff; the first thing after an outage is the renewal of one's own claims.
struct LeaseLoop: Sendable {
    private static let reconnectSecondsFirst = 0.5
    private static let reconnectSecondsMax = 15.0

    let configuration: SupervisorConfiguration
    let queue: JobQueue
    let activeRuns: ActiveRuns
    let lease: HostLease
    let claimDue: WakeSignal
    /// Woken by the control channel: somebody cancelled something.
    let renewDue: WakeSignal
    let logger: Logger

    func run() async {
        var backoff = Self.reconnectSecondsFirst
        while !Task.isCancelled {
            do {
                try await connect()
                backoff = Self.reconnectSecondsFirst
                while !Task.isCancelled {
                    await renewDue.wait(seconds: await interval)
                    lease.renewed(try await renewClaims())
                }
            } catch {
                lease.disconnected()
                if Task.isCancelled { return }
                logger.error(
                    "database not usable",
                    metadata: ["error": "\(error)", "retry_seconds": "\(backoff)"])
                await pause(seconds: jittered(backoff))
                backoff = min(backoff * 2, Self.reconnectSecondsMax)
            }
        }
    }

    private func connect() async throws(QueueError) {
        try await queue.register(
            models: configuration.models.map(\.name), queues: configuration.queues, version: configuration.version)
        // one's own claims first; claiming begins with `lease.renewed`, after what memory does not know is given back:
        // claims whose reply was lost with the connection
        let renewal = try await renewClaims()
        let released = try await queue.releaseUnknown(inMemory: await activeRuns.runs)
        lease.renewed(renewal)
        logger.info("database connected", metadata: ["released": "\(released.count)"])
        claimDue.wake()
    }

    private func renewClaims() async throws(QueueError) -> HostLease.Renewal {
        let sent = BootClock.now
        let reply = try await queue.renew(await activeRuns.reports())
        let received = BootClock.now
        await activeRuns.stop(reply.lost, .lost)
        await activeRuns.stop(reply.cancelRequested, .cancelRequested)
        return HostLease.Renewal(
            sent: sent, received: received, serverNow: reply.serverNow, serverAgeSeconds: reply.serverAgeSeconds)
    }

    /// Progress and cancels want a short one; an idle host only its lease.
    private var interval: Double {
        get async {
            await activeRuns.isEmpty
                ? lease.seconds / 3 : min(configuration.progressSeconds, lease.seconds / 3)
        }
    }
}
