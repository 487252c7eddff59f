import JanusEngine
import JanusJob
import JanusWire

/// The computing thread: one job after another.
struct Server {
    /// Jobs at once; a job's own images are drawn together.
    static let jobsMax = 1

    let engine: Engine
    let inbox: Inbox
    let connection: Connection

    func serve() -> Never {
        connection.send(
            .ready(
                WorkerReady(
                    jobsMax: Self.jobsMax, fingerprint: engine.fingerprint, summary: engine.summary,
                    contextTokensMax: engine.contextTokensMax)))
        while true {
            let assignment = inbox.next()
            let run = assignment.start.run
            do throws(Interruption) {
                let completion = try compute(assignment)
                connection.send(.finished(run, completion))
            } catch {
                switch error {
                case .stopped: connection.send(.stopped(run))
                case .failed(let error): connection.send(.failed(run, error))
                }
            }
            inbox.finishCurrent()
        }
    }

    private func compute(_ assignment: Assignment) throws(Interruption) -> JobCompletion {
        let run = assignment.start.run
        var pace = ProgressPace()
        let observer: EngineObserver = { progress in
            if pace.isDue(progress) {
                connection.send(
                    .progress(
                        JobProgress(
                            run: run, phase: progress.phase, stepsDone: progress.stepsDone,
                            stepsTotal: progress.stepsTotal)))
            }
            return !inbox.isCurrentCanceled
        }
        switch assignment.start.task {
        case .generate(let parameters):
            let (images, usage) = try engine.generate(parameters, observer: observer)
            for image in images {
                let header = OutputHeader(
                    index: image.index, mediaType: image.format.mediaType, width: image.width, height: image.height)
                connection.send(.output(run, header, image.file))
            }
            return JobCompletion(text: nil, finishReason: nil, usage: usage)
        case .answer(let parameters):
            let answer = try engine.answer(parameters, pictures: assignment.inputs, observer: observer)
            return JobCompletion(text: answer.text, finishReason: answer.finishReason, usage: answer.usage)
        }
    }
}

/// Which progress is worth a frame: the first of each phase, and then one in 100 ms, whether or not a step was done in
/// it: it is also the sign of life.
struct ProgressPace {
    private static let interval = Duration.milliseconds(100)
    private var lastPhase: JobPhase?
    private var lastTime: ContinuousClock.Instant?

    mutating func isDue(_ progress: EngineProgress, now: ContinuousClock.Instant = .now) -> Bool {
        if lastPhase == progress.phase, let lastTime, now - lastTime < Self.interval { return false }
        lastPhase = progress.phase
        lastTime = now
        return true
    }
}
