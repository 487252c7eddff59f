package import JanusJob
import JanusModel

/// How far a job is. `stepsDone` grows from 0 to `stepsTotal` at most.
package struct EngineProgress: Sendable, Equatable {
    package var phase: JobPhase
    package var stepsDone: Int
    package var stepsTotal: Int

    package init(phase: JobPhase, stepsDone: Int, stepsTotal: Int) {
        self.phase = phase
        self.stepsDone = stepsDone
        self.stepsTotal = stepsTotal
    }
}

/// Called on the computing thread after every step and, within long steps, between the model's blocks: it is told how
/// far the job is and answers whether to go on. It should return at once.
package typealias EngineObserver = (EngineProgress) -> Bool

/// One job's way through the engine: its phase, its steps, its clock.
final class EngineRun {
    private(set) var progress = EngineProgress(phase: .preparing, stepsDone: 0, stepsTotal: 1)
    private let observer: EngineObserver
    private let clock = ContinuousClock()

    init(observer: @escaping EngineObserver) { self.observer = observer }

    var wantsToStop: Bool { !observer(progress) }

    func begin(stepsTotal: Int) { progress.stepsTotal = max(stepsTotal, 1) }

    /// - Throws: `stopped` when the observer says so.
    func enter(_ phase: JobPhase) throws(Interruption) {
        progress.phase = phase
        if wantsToStop { throw .stopped }
    }

    /// - Throws: `stopped` when the observer says so.
    func advance(by steps: Int = 1) throws(Interruption) {
        progress.stepsDone = min(progress.stepsDone + steps, progress.stepsTotal)
        if wantsToStop { throw .stopped }
    }

    /// Runs a call of the model and adds its time to `seconds`.
    func timed<Value>(
        _ seconds: inout Double, _ body: () throws(ModelError) -> Value
    ) throws(Interruption) -> Value {
        let start = clock.now
        defer { seconds += (clock.now - start) / .seconds(1) }
        do { return try body() } catch { throw Interruption(error) }
    }
}
