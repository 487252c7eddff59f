import JanusEngine
import JanusJob
import JanusWire

/// The computing thread: takes jobs in between two passes of the engine's batch.
struct Server {
    let engine: Engine
    let inbox: Inbox
    let connection: Connection

    func serve() -> Never {
        connection.send(
            .ready(
                WorkerReady(
                    jobsMax: engine.jobsWithRoom, fingerprint: engine.fingerprint, summary: engine.summary,
                    pictureSide: engine.pictureSide, tokenBytesMax: engine.tokenBytesMax)))
        let batcher = engine.batcher
        while true {
            while batcher.wantsJob, let assignment = inbox.next(isIdle: batcher.isIdle) { begin(assignment) }
            batcher.advance()
        }
    }

    /// The first progress of a run, `preparing`, goes out before its pictures are touched, and `prefill` right after: should
    /// this process die between, the supervisor knows by whom.
    private func begin(_ assignment: Assignment) {
        let run = assignment.start.run
        var pace = ProgressPace()
        engine.batcher.submit(
            assignment.start.task, pictures: assignment.inputs,
            observer: { [connection, inbox] progress in
                if pace.isDue(progress) {
                    connection.send(.progress(run, progress))
                }
                return !inbox.isCanceled(run)
            },
            end: { [connection, inbox] outcome in
                switch outcome {
                case .success(let product): send(product, of: run)
                case .failure(.stopped): connection.send(.stopped(run))
                case .failure(.failed(let error)): connection.send(.failed(run, error))
                }
                inbox.finish(run)
            })
    }

    private func send(_ product: JobProduct, of run: JobRun) {
        switch product {
        case .images(let images, let usage):
            for image in images {
                let format = OutputFormat.image(image.format, width: image.width, height: image.height)
                connection.send(.output(run, JobOutput(index: image.index, format: format, data: image.file)))
            }
            connection.send(.finished(run, JobCompletion(finishReason: nil, usage: usage)))
        case .answer(let answer):
            connection.send(.output(run, JobOutput(text: answer.text)))
            connection.send(
                .finished(run, JobCompletion(finishReason: answer.finishReason, usage: answer.usage)))
        }
    }
}

/// Which progress is worth a frame: the first of each phase, and then one in 100 ms, whether or not a step was done in
/// it: it is also the sign of life.
struct ProgressPace {
    private static let interval = Duration.milliseconds(100)
    private var lastPhase: JobPhase?
    private var lastTime: ContinuousClock.Instant?

    mutating func isDue(_ progress: JobProgress, now: ContinuousClock.Instant = .now) -> Bool {
        if lastPhase == progress.phase, let lastTime, now - lastTime < Self.interval { return false }
        lastPhase = progress.phase
        lastTime = now
        return true
    }
}
