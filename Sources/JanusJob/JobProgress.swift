/// How far a run is, from the engine to its row.
package struct JobProgress: Codable, Sendable, Equatable {
    package var phase: JobPhase
    /// Of `stepsTotal`, within the whole run; it only grows.
    package var stepsDone: Int
    package var stepsTotal: Int

    package init(phase: JobPhase, stepsDone: Int, stepsTotal: Int) {
        self.phase = phase
        self.stepsDone = stepsDone
        self.stepsTotal = stepsTotal
    }

    /// Where every run begins.
    package static let start = JobProgress(phase: .preparing, stepsDone: 0, stepsTotal: 1)

    /// As the row's columns hold it.
    package static let stepsMax = Int(Int32.max)

    /// Whether 0 ≤ done ≤ total and 1 ≤ total ≤ `stepsMax`.
    package var isPossible: Bool {
        (1...Self.stepsMax).contains(stepsTotal) && (0...stepsTotal).contains(stepsDone)
    }
}
