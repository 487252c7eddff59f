import Foundation
import JanusDelivery
import JanusJob
import JanusQueue
import Logging

/// Sends what is due in the outbox, as many calls at once as `WebhookCaller` permits: whenever one ends, the next begins.
///
/// A claim of the outbox moves `next_attempt_at`, so a host that dies while sending loses nothing, and no transaction is
/// open during the call. Owners are taken in turn.
struct WebhookLoop: Sendable {
    /// A webhook claimed by a host that died is due again after this.
    private static let reclaimSeconds = 120.0
    private static let pollSeconds = 2.0
    /// Between two rounds in which all that was found was put back: however much waits for receivers that do not answer, it
    /// costs no more.
    private static let postponedSeconds = 0.05
    /// Between tries to record a result.
    private static let recordSeconds = 1.0
    /// Owners that one claim looks at.
    private static let ownersMax = 64

    let queue: JobQueue
    let caller: WebhookCaller
    let lease: HostLease
    /// Woken when something may be due, and when a place is free again.
    let due: WakeSignal
    let logger: Logger

    func run() async {
        await withDiscardingTaskGroup { group in
            var round = Round()
            while !Task.isCancelled {
                for (webhook, permit) in await claim(&round) { group.addTask { await call(webhook, permit) } }
                guard round.isOver else { continue }
                if round.found == 0 || caller.places.places.free == 0 {
                    await due.wait(seconds: jittered(Self.pollSeconds))
                } else if round.called == 0 {
                    await due.wait(seconds: Self.postponedSeconds)
                }
                round = Round()
            }
        }
    }

    /// Once around the owners who have something in the outbox.
    private struct Round {
        /// The owner that was looked at last.
        var cursor: String?
        var found = 0
        /// Of these, calls that were made; the others were put back.
        var called = 0
        var isOver = false
    }

    /// - Returns: what can be called now.
    private func claim(_ round: inout Round) async -> [(DueWebhook, WebhookCaller.Permit)] {
        let places = caller.places.places
        guard places.free > 0, lease.mayClaim(now: BootClock.now) else {
            round.isOver = true
            return []
        }
        do {
            let batch = try await queue.claimWebhooks(
                WebhookClaim(
                    limit: places.free, perOwner: places.allowance, inFlight: places.insideOfOwner,
                    ownersMax: min(Self.ownersMax, places.free), after: round.cursor,
                    retryAfterSeconds: Self.reclaimSeconds))
            (round.cursor, round.isOver) = (batch.cursor, batch.cursor == nil)
            let permitted = await permitted(batch.webhooks)
            round.found += batch.webhooks.count
            round.called += permitted.count
            return permitted
        } catch {
            logger.debug("outbox not read", metadata: ["error": "\(error)"])
            round.isOver = true
            return []
        }
    }

    /// Puts back, uncharged, what cannot be called now.
    private func permitted(_ webhooks: [DueWebhook]) async -> [(DueWebhook, WebhookCaller.Permit)] {
        var permitted: [(DueWebhook, WebhookCaller.Permit)] = []
        var later: [(webhook: DueWebhook, afterSeconds: Double)] = []
        for webhook in webhooks {
            switch caller.ask(owner: webhook.owner, url: webhook.message.url) {
            case .now(let permit): permitted.append((webhook, permit))
            // spread, so that all that waited for one receiver does not come back at one moment
            case .later(let seconds): later.append((webhook, seconds * .random(in: 1..<2)))
            }
        }
        do {
            if !later.isEmpty { try await queue.postponeWebhooks(later) }
        } catch {
            logger.debug("webhooks not postponed: they are due again later", metadata: ["error": "\(error)"])
        }
        return permitted
    }

    private func call(_ webhook: DueWebhook, _ permit: WebhookCaller.Permit) async {
        defer { caller.end(permit) }
        let result = await caller.call(webhook.message, attempt: webhook.attempt, permit)
        // a host that stops leaves the row as claimed: it is due again after reclaimSeconds
        guard !Task.isCancelled else { return }
        logger.info("webhook", metadata: ["delivery": "\(webhook.id)", "outcome": "\(result)"])
        await record(result, of: webhook)
    }

    /// As long as nobody else can have taken it.
    private func record(_ result: WebhookResult, of webhook: DueWebhook) async {
        let deadline = BootClock.now + Self.reclaimSeconds
        while !Task.isCancelled, BootClock.now < deadline {
            do {
                if try await queue.recordWebhook(webhook, result) { return }
                logger.debug("webhook locked by a client", metadata: ["delivery": "\(webhook.id)"])
            } catch {
                logger.warning(
                    "webhook result not recorded yet", metadata: ["delivery": "\(webhook.id)", "error": "\(error)"])
            }
            await pause(seconds: Self.recordSeconds)
        }
        logger.warning("webhook result not recorded: it is called again", metadata: ["delivery": "\(webhook.id)"])
    }
}
