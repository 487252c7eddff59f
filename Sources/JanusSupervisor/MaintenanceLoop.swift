import JanusQueue
import Logging

/// One chore of the whole queue that any host may do: runs every `seconds` (jittered) while `isAllowed`.
struct MaintenanceLoop: Sendable {
    let name: String
    let seconds: Double
    let isAllowed: @Sendable () -> Bool
    /// - Returns: how many rows it changed.
    let work: @Sendable () async throws(QueueError) -> Int
    let logger: Logger

    func run() async {
        while !Task.isCancelled {
            await pause(seconds: jittered(seconds))
            guard !Task.isCancelled, isAllowed() else { continue }
            do {
                let changed = try await work()
                if changed > 0 { logger.info("\(name)", metadata: ["jobs": "\(changed)"]) }
            } catch {
                // the lease loop watches the connection; the chore comes round again
                logger.debug("\(name) failed", metadata: ["error": "\(error)"])
            }
        }
    }
}
