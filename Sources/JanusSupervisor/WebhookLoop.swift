import Foundation
import JanusDelivery
import JanusQueue
import Logging

/// Sends what is due in the outbox. A claim of the outbox moves `next_attempt_at`, so a host that dies while sending
/// loses nothing, and no transaction is open during the call.
struct WebhookLoop: Sendable {
    private static let batchMax = 16
    /// A webhook claimed by a host that died is due again after this.
    private static let reclaimSeconds = 120.0
    private static let pollSeconds = 2.0

    let queue: JobQueue
    let webhooks: WebhookSender
    let lease: HostLease
    let due: WakeSignal
    let logger: Logger

    func run() async {
        while !Task.isCancelled {
            if await sendDue() < Self.batchMax { await due.wait(seconds: jittered(Self.pollSeconds)) }
        }
    }

    /// - Returns: how many were due.
    private func sendDue() async -> Int {
        guard lease.mayClaim(now: BootClock.now) else { return 0 }
        do {
            let batch = try await queue.claimWebhooks(
                limit: Self.batchMax, retryAfterSeconds: Self.reclaimSeconds)
            await withDiscardingTaskGroup { group in
                for webhook in batch { group.addTask { await send(webhook) } }
            }
            return batch.count
        } catch {
            logger.debug("outbox not read", metadata: ["error": "\(error)"])
            return 0
        }
    }

    private func send(_ webhook: DueWebhook) async {
        let result = await webhooks.send(webhook.message, attempt: webhook.attempt, now: lease.databaseNow)
        // a host that stops leaves the row as claimed: it is due again after reclaimSeconds
        guard !Task.isCancelled else { return }
        do {
            try await queue.recordWebhook(webhook.id, result)
            logger.info("webhook", metadata: ["delivery": "\(webhook.id)", "outcome": "\(result)"])
        } catch {
            logger.warning("webhook result not recorded", metadata: ["delivery": "\(webhook.id)", "error": "\(error)"])
        }
    }
}
