package import JanusJob
package import JanusWire

/// One place for a worker process, and what is in it.
///
///     starting ──ready──► serving ──assign; finished, failed, stopped──► serving
///        │                   │
///        └──────ended────────┴──► down ──(backoff)──► starting
package enum SlotState: Sendable, Equatable {
    /// The process loads its weights; so many before it ended in this. Becomes `serving` or `down`.
    case starting(failures: Int, why: String?)
    /// It takes jobs up to its `jobsMax`, and holds these. Becomes `down`.
    case serving(WorkerReady, [JobRun: RunStage])
    /// No process; a new one starts after the backoff. Becomes `starting`.
    case down(failures: Int, why: String?)

    /// What the shell does about a message.
    package enum MessageAction: Equatable {
        case nothing
        /// A worker is free: look for jobs.
        case announceIdle
        /// Give the message to the run, and to its neighbours that the worker lives; when `thenFree`, a place is free again.
        case deliver(WorkerMessage, JobRun, thenFree: Bool)
    }

    /// What the shell does about the process's end: it tells the runs, and starts anew after the backoff.
    package struct Restart: Equatable {
        package var afterSeconds: Double
        package var blames: [JobRun: CrashBlame]

        package init(afterSeconds: Double, blames: [JobRun: CrashBlame]) {
            self.afterSeconds = afterSeconds
            self.blames = blames
        }
    }

    package static let backoffSecondsFirst = 0.5
    package static let backoffSecondsMax = 60.0

    /// The runs that it holds.
    package var runs: [JobRun: RunStage] {
        switch self {
        case .serving(_, let runs): runs
        case .starting, .down: [:]
        }
    }

    /// Jobs that its process takes at once; 0 without one that is ready.
    package var jobsMax: Int {
        switch self {
        case .serving(let ready, _): ready.jobsMax
        case .starting, .down: 0
        }
    }

    /// Jobs that it would take now.
    package var places: Int {
        switch self {
        case .serving(let ready, let runs): max(ready.jobsMax - runs.count, 0)
        case .starting, .down: 0
        }
    }

    package var isServing: Bool {
        switch self {
        case .serving: true
        case .starting, .down: false
        }
    }

    /// Why its last process ended before it was ready; nil if it was, or while it is the first.
    package var startFailure: String? {
        switch self {
        case .starting(_, let why), .down(_, let why): why
        case .serving: nil
        }
    }

    package mutating func start() {
        guard case .down(let failures, let why) = self else { return }
        self = .starting(failures: failures, why: why)
    }

    /// - Returns: whether the slot took the job.
    package mutating func assign(_ run: JobRun) -> Bool {
        guard places > 0 else { return false }
        set(run, .assigned)
        return true
    }

    /// The process is told of the job.
    package mutating func sent(_ run: JobRun) {
        if runs[run] == .assigned { set(run, .sent) }
    }

    /// Takes back an assignment of which the process never heard.
    package mutating func release(_ run: JobRun) { set(run, nil) }

    /// - Parameter message: one that `WorkerContract` has let pass.
    package mutating func receive(_ message: WorkerMessage) -> MessageAction {
        switch (self, message) {
        case (.starting, .ready(let ready)):
            self = .serving(ready, [:])
            return .announceIdle
        case (.serving(_, let runs), _):
            guard let run = message.run, runs[run] != nil else { return .nothing }
            if case .progress(_, let progress) = message {
                set(run, progress.phase == .preparing ? .preparing : .computing)
            }
            if message.endsRun { set(run, nil) }
            return .deliver(message, run, thenFree: message.endsRun)
        case (.starting, _), (.down, _):
            return .nothing
        }
    }

    package mutating func ended(_ why: String) -> Restart {
        switch self {
        case .starting(let failures, _), .down(let failures, _):
            self = .down(failures: failures + 1, why: why)
            return Restart(afterSeconds: Self.backoffSeconds(failures: failures + 1), blames: [:])
        case .serving(_, let runs):
            self = .down(failures: 1, why: nil)
            return Restart(afterSeconds: Self.backoffSecondsFirst, blames: RunStage.blame(runs))
        }
    }

    /// - Parameter stage: nil forgets the run.
    private mutating func set(_ run: JobRun, _ stage: RunStage?) {
        guard case .serving(let ready, var runs) = self else { return }
        runs[run] = stage
        self = .serving(ready, runs)
    }

    static func backoffSeconds(failures: Int) -> Double {
        var seconds = backoffSecondsFirst
        for _ in 1..<max(failures, 1) where seconds < backoffSecondsMax { seconds *= 2 }
        return min(seconds, backoffSecondsMax)
    }
}

extension WorkerMessage {
    /// The run that the message is about.
    var run: JobRun? {
        switch self {
        case .ready: nil
        case .progress(let run, _), .output(let run, _), .finished(let run, _), .failed(let run, _), .stopped(let run):
            run
        }
    }

    /// Whether the worker has done with the run after it.
    var endsRun: Bool {
        switch self {
        case .ready, .progress, .output: false
        case .finished, .failed, .stopped: true
        }
    }
}
