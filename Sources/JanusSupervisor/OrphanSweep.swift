import JanusDelivery
import JanusJob
import JanusQueue
import Logging

/// Removes files that attempts of this host left although they did not succeed: it died, or its claim was lost.
struct OrphanSweep: Sendable {
    let queue: JobQueue
    let uploader: Uploader
    /// After an attempt's end, so that a host that was asleep has noticed.
    let afterSeconds: Double
    let logger: Logger

    /// - Returns: how many attempts were swept.
    func run() async throws(QueueError) -> Int {
        var swept: [JobRun] = []
        for orphans in try await queue.orphanedFiles(afterSeconds: afterSeconds) {
            do throws(JobError) {
                for url in orphans.urls { try await uploader.remove(url) }
                swept.append(orphans.run)
            } catch {
                logger.warning(
                    "orphaned files not removed", metadata: ["job": "\(orphans.run.job)", "error": "\(error)"])
            }
        }
        if !swept.isEmpty { try await queue.forgetFiles(of: swept) }
        return swept.count
    }
}
