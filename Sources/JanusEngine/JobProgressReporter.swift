package import JanusJob

/// Called on the computing thread after every step and, within long steps, between the model's blocks: it is told how
/// far the job is and answers whether to go on. It should return at once. After a "no" it is not called again.
package typealias EngineObserver = (JobProgress) -> Bool

/// One job's phase and steps, and what its observer says.
final class JobProgressReporter {
    private(set) var progress = JobProgress.start
    private(set) var isStopped = false
    private let observer: EngineObserver

    init(observer: @escaping EngineObserver) { self.observer = observer }

    /// Tells the observer, and asks it.
    @discardableResult func wantsToStop() -> Bool {
        if !isStopped { isStopped = !observer(progress) }
        return isStopped
    }

    func begin(stepsTotal: Int) { progress.stepsTotal = max(stepsTotal, 1) }

    func enter(_ phase: JobPhase) {
        guard progress.phase != phase else { return }
        progress.phase = phase
        wantsToStop()
    }

    func advance(to steps: Int) {
        progress.stepsDone = max(progress.stepsDone, min(steps, progress.stepsTotal))
    }
}
