import Foundation
import JanusDelivery
import JanusJob
import JanusQueue

/// The best-effort webhooks of a running job: `job.started`, then `job.progress`. One try each, no record; they never
/// delay the job and end with it, and are left out where the owner or the host has all calls that it may.
struct EventSender: Sendable {
    /// At most one progress webhook of a job in this time.
    private static let progressSecondsMin = 0.5

    let queue: JobQueue
    let caller: WebhookCaller

    /// Sends what the job's owner asked to hear until the stream or the task ends.
    ///
    /// - Parameter progress: keeps only the newest element, so that a slow receiver skips some.
    func narrate(_ claim: ClaimedJob, _ progress: AsyncStream<JobProgress>) async {
        if claim.webhookEvents.contains("started") { await send("started", of: claim) }
        guard claim.webhookEvents.contains("progress") else { return }
        for await _ in progress {
            await send("progress", of: claim)
            await pause(seconds: Self.progressSecondsMin)
        }
    }

    private func send(_ event: String, of claim: ClaimedJob) async {
        guard let url = claim.webhookURL, !Task.isCancelled,
            case .now(let permit) = caller.ask(owner: claim.owner, url: url)
        else { return }
        defer { caller.end(permit) }
        do {
            guard let body = try await queue.eventBody(claim.run, type: event) else { return }
            let message = WebhookMessage(
                id: "msg_\(UUID().uuidString.lowercased())", url: url, body: body,
                secrets: try await queue.webhookSecrets(owner: claim.owner))
            _ = await caller.call(message, attempt: 1, permit)
        } catch {
            // best effort: the job's own course shows that the database is away
        }
    }
}
