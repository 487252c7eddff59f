/// One claim of one job: attempts, frames, object names and log lines are keyed by it.
///
/// `runLease` is an ordinal that only grows for a job, so two runs of one job never share a key.
package struct JobRun: Hashable, Codable, Sendable, CustomStringConvertible {
    package var job: Int64
    package var runLease: Int64

    package init(job: Int64, runLease: Int64) {
        self.job = job
        self.runLease = runLease
    }

    package var description: String { "\(job)/\(runLease)" }
}
