import JanusJob
import JanusQueue

/// The runs that this host has in memory: who writes to them from outside their own task goes through here.
actor ActiveRuns {
    private struct Entry {
        var claim: ClaimedJob
        var mailbox: AsyncStream<RunEvent>.Continuation
        var progress = JobProgress.start
        var isLost = false
    }

    private var entries: [JobRun: Entry] = [:]
    private let emptied = WakeSignal()

    func insert(_ claim: ClaimedJob, mailbox: AsyncStream<RunEvent>.Continuation) {
        entries[claim.run] = Entry(claim: claim, mailbox: mailbox)
    }

    func remove(_ run: JobRun) {
        entries[run] = nil
        if entries.isEmpty { emptied.wake() }
    }

    var runs: [JobRun] { Array(entries.keys) }
    var isEmpty: Bool { entries.isEmpty }

    func report(_ progress: JobProgress, of run: JobRun) { entries[run]?.progress = progress }

    func enter(_ phase: JobPhase, _ run: JobRun) { entries[run]?.progress.phase = phase }

    /// What the lease loop tells the database.
    func reports() -> [RunReport] {
        entries.values.filter { !$0.isLost }.map { entry in
            RunReport(run: entry.claim.run, claimToken: entry.claim.claimToken, progress: entry.progress)
        }
    }

    func isLost(_ run: JobRun) -> Bool { entries[run]?.isLost ?? true }

    func stop(_ runs: [JobRun], _ reason: StopReason) {
        for run in runs {
            if reason == .lost { entries[run]?.isLost = true }
            entries[run]?.mailbox.yield(.stop(reason))
        }
    }

    func stopAll(_ reason: StopReason) { stop(runs, reason) }

    func tick(_ now: Double) {
        for entry in entries.values { entry.mailbox.yield(.tick(now)) }
    }

    /// Returns when no run is left, or after `seconds`.
    func waitUntilEmpty(seconds: Double) async {
        let deadline = BootClock.now + seconds
        while !entries.isEmpty, !Task.isCancelled, BootClock.now < deadline {
            await emptied.wait(seconds: min(1, max(deadline - BootClock.now, 0.01)))
        }
    }
}
