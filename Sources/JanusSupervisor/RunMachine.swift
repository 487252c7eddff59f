package import Foundation
package import JanusJob
package import JanusWire

/// Why a run is to end before its work is done.
package enum StopReason: Sendable, Equatable {
    /// `janus.cancel` asked for it.
    case cancelRequested
    case runTimeout(seconds: Double)
    /// The claim belongs to somebody else now: throw the work away, record nothing.
    case lost
    /// The host stops and its grace is over.
    case draining

    /// What is recorded; nil records nothing.
    var outcome: JobOutcome? {
        switch self {
        case .cancelRequested: .canceled
        case .runTimeout(let seconds):
            .failed(JobError(.runTimeout, "the attempt ran longer than run_timeout, \(seconds) s"))
        case .lost: nil
        case .draining: .released(reason: "the host is shutting down")
        }
    }
}

/// What a run hears.
package enum RunEvent: Sendable {
    /// The inputs are there, and a place in a worker.
    case inputsLoaded(Result<[Data], JobError>)
    /// The inputs are there, and no worker is.
    case noWorker
    case worker(WorkerMessage)
    /// The worker was heard about another of its runs.
    case workerLives
    case workerEnded(WorkerExit, CrashBlame)
    case uploaded(Result<JobResult, JobError>)
    case stop(StopReason)
    /// Time passes; the argument is `BootClock.now`.
    case tick(Double)
}

/// How a run ended.
package struct RunEnd: Sendable, Equatable {
    /// nil records nothing.
    package var outcome: JobOutcome?
    /// It was in a batch that crashed: the job runs alone next time.
    package var isSuspect: Bool

    package init(_ outcome: JobOutcome?, isSuspect: Bool = false) {
        self.outcome = outcome
        self.isSuspect = isSuspect
    }
}

/// The course of one run, without I/O: events in, actions out.
///
///     loading ──► working ──► delivering ──► over
///        │           │            │
///        │           ▼            │
///        │        stopping ───────┤
///        └────────────────────────┴─► over
package struct RunMachine: Sendable {
    package enum State: Sendable, Equatable {
        /// Inputs are fetched, then a place in a worker is waited for. Becomes `working` or `over`.
        case loading
        /// The worker has the job. Becomes `delivering`, `stopping` or `over`.
        case working
        /// The worker was told to stop, until `deadline`. Becomes `over`.
        case stopping(StopReason, deadline: Double)
        /// Outputs are uploaded. Becomes `over`.
        case delivering
        /// The outcome is known; the rest is recording it. Final.
        case over
    }

    package enum Action: Sendable, Equatable {
        /// Send the job and its inputs to the worker.
        case startWorker([Data])
        case report(JobProgress)
        /// Ask the worker to stop.
        case cancelWorker
        /// The worker does not answer, or not to this run's cancel: SIGKILL.
        case killWorker(sparesOthers: Bool)
        /// Abandon the fetch or upload under way.
        case cancelActivity
        case upload(JobResult)
        /// Record the outcome, if any, and end.
        case end(RunEnd)
    }

    /// A worker must obey `.cancel` within this: it does so between two passes of its batch.
    package static let stopSecondsMax = 10.0
    /// A worker that has the job must be heard within this, about any of its runs, or it hangs: it is killed, and its runs
    /// fail with `worker_hung`. 60 s, many heartbeats: the processor may be shared.
    package static let silenceSecondsMax = 12 * heartbeatSecondsMax

    package private(set) var state = State.loading
    private let deadline: Double
    private let runTimeoutSeconds: Double
    private var lastHeard: Double
    /// It was killed for its silence of so many seconds; its end is awaited.
    private var hungSeconds: Double?
    private var outputs: [JobOutput] = []

    /// - Parameter now: `BootClock.now` at the claim.
    package init(runTimeoutSeconds: Double, now: Double) {
        self.runTimeoutSeconds = runTimeoutSeconds
        self.deadline = now + runTimeoutSeconds
        self.lastHeard = now
    }

    package mutating func handle(_ event: RunEvent, now: Double) -> [Action] {
        switch event {
        case .inputsLoaded(let result): return inputsLoaded(result, now: now)
        case .noWorker: return noWorker()
        case .worker(let message): return heard(message, now: now)
        case .workerLives:
            lastHeard = now
            return []
        case .workerEnded(let exit, let blame): return workerEnded(exit, blame)
        case .uploaded(let result): return uploaded(result)
        case .stop(let reason): return stop(reason, now: now)
        case .tick(let now): return tick(now)
        }
    }

    private mutating func inputsLoaded(_ result: Result<[Data], JobError>, now: Double) -> [Action] {
        guard state == .loading else { return [] }
        switch result {
        case .success(let inputs):
            let bytes = inputs.reduce(0) { $0 + $1.count }
            guard bytes <= inputBytesMax else {
                return end(
                    .failed(
                        JobError(
                            .inputTooLarge,
                            "the job's pictures have \(bytes) bytes together, more than \(inputBytesMax)")))
            }
            state = .working
            lastHeard = now
            return [.startWorker(inputs)]
        case .failure(let error):
            return end(.failed(error))
        }
    }

    private mutating func noWorker() -> [Action] {
        state == .loading ? end(.released(reason: "no worker was ready once its inputs were there")) : []
    }

    private mutating func heard(_ message: WorkerMessage, now: Double) -> [Action] {
        lastHeard = now
        switch state {
        case .working:
            switch message {
            case .ready: return []
            case .progress(_, let progress): return [.report(progress)]
            case .output(_, let output):
                outputs.append(output)
                return []
            case .finished(_, let completion):
                state = .delivering
                return [.upload(JobResult(outputs: outputs, completion: completion))]
            case .failed(_, let error): return end(.failed(error))
            case .stopped:
                return end(.failed(JobError(.internalError, "the worker stopped a job that nobody asked it to stop")))
            }
        case .stopping(let reason, _):
            guard message.endsRun else { return [] }
            return end(reason.outcome)
        case .loading, .delivering, .over:
            return []
        }
    }

    private mutating func workerEnded(_ exit: WorkerExit, _ blame: CrashBlame) -> [Action] {
        switch state {
        case .working:
            switch blame {
            case .charged: return end(.failed(crash(exit)))
            case .suspect:
                return end(
                    .released(reason: "the worker ended with \(exit) while it ran several jobs"), isSuspect: true)
            case .innocent: return end(.released(reason: "the worker ended with \(exit), not by this job"))
            }
        case .stopping(let reason, _): return end(reason.outcome)
        // it ended before it had the job, so the job is not to blame
        case .loading: return [.cancelActivity] + end(.released(reason: "the worker ended before it had the job"))
        case .delivering, .over: return []
        }
    }

    private func crash(_ exit: WorkerExit) -> JobError {
        if let hungSeconds {
            return JobError(.workerHung, "the worker was silent for \(Int(hungSeconds)) s and was killed")
        }
        return JobError(.workerCrashed, "the worker ended with \(exit) while it ran the job")
    }

    private mutating func uploaded(_ result: Result<JobResult, JobError>) -> [Action] {
        guard state == .delivering else { return [] }
        switch result {
        case .success(let result): return end(.succeeded(result))
        case .failure(let error): return end(.failed(error))
        }
    }

    private mutating func stop(_ reason: StopReason, now: Double) -> [Action] {
        switch state {
        case .loading, .delivering:
            return [.cancelActivity] + end(reason.outcome)
        case .working:
            state = .stopping(reason, deadline: now + Self.stopSecondsMax)
            return [.cancelWorker]
        case .stopping(let earlier, let deadline):
            // a lost claim outranks what was to be recorded
            if reason == .lost && earlier != .lost { state = .stopping(.lost, deadline: deadline) }
            return []
        case .over:
            return []
        }
    }

    private mutating func tick(_ now: Double) -> [Action] {
        switch state {
        case .loading, .delivering:
            return now > deadline ? stop(.runTimeout(seconds: runTimeoutSeconds), now: now) : []
        case .working:
            if now > deadline { return stop(.runTimeout(seconds: runTimeoutSeconds), now: now) }
            guard now - lastHeard > Self.silenceSecondsMax, hungSeconds == nil else { return [] }
            hungSeconds = now - lastHeard
            return [.killWorker(sparesOthers: false)]
        case .stopping(let reason, let deadline):
            return now > deadline ? [.killWorker(sparesOthers: true)] + end(reason.outcome) : []
        case .over:
            return []
        }
    }

    private mutating func end(_ outcome: JobOutcome?, isSuspect: Bool = false) -> [Action] {
        state = .over
        return [.end(RunEnd(outcome, isSuspect: isSuspect))]
    }
}
