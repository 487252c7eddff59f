import Foundation
import JanusDelivery
import JanusJob
import JanusQueue
import JanusWire
import Synchronization

/// The best-effort webhooks of a running job: `job.started` and `job.progress`. One try each, no record; they never
/// delay the job and end with it.
final class EventSender: Sendable {
    /// At most one progress webhook of a job in this time.
    static let progressSecondsMin = 0.5

    private let queue: JobQueue
    private let webhooks: WebhookSender
    private let lease: HostLease
    /// When the last progress webhook of a run was begun, by `BootClock`.
    private let lastProgress = Mutex<[JobRun: Double]>([:])

    init(queue: JobQueue, webhooks: WebhookSender, lease: HostLease) {
        self.lease = lease
        self.queue = queue
        self.webhooks = webhooks
    }

    func started(_ claim: ClaimedJob) async {
        guard claim.webhookEvents.contains("started") else { return }
        await send("job.started", of: claim)
    }

    func progressed(_ claim: ClaimedJob, _ progress: JobProgress) async {
        guard claim.webhookEvents.contains("progress"),
            takeTurn(claim.run, isLast: progress.stepsDone == progress.stepsTotal)
        else { return }
        await send("job.progress", of: claim)
    }

    func ended(_ run: JobRun) { lastProgress.withLock { $0[run] = nil } }

    private func takeTurn(_ run: JobRun, isLast: Bool) -> Bool {
        let now = BootClock.now
        return lastProgress.withLock { last in
            if !isLast, let before = last[run], now - before < Self.progressSecondsMin { return false }
            last[run] = now
            return true
        }
    }

    private func send(_ type: String, of claim: ClaimedJob) async {
        guard let url = claim.webhookURL else { return }
        do {
            guard let body = try await queue.eventBody(claim.run, type: type) else { return }
            let secrets = try await queue.webhookSecrets(owner: claim.owner)
            let message = WebhookMessage(
                id: "msg_\(UUID().uuidString.lowercased())", url: url, body: body,
                secrets: secrets.map(\.webhookSecretText))
            _ = await webhooks.send(message, now: lease.databaseNow)
        } catch {
            // best effort: the job's own course shows that the database is away
        }
    }
}
