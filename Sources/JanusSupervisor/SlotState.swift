package import JanusJob
package import JanusWire

/// One place for a worker process, and what is in it.
///
///     starting ──ready──► idle ──assign──► busy ──finished, failed, stopped──► idle
///        │                 │                │
///        └──────ended──────┴──────ended─────┴──► down ──(backoff)──► starting
package enum SlotState: Sendable, Equatable {
    /// The process loads its weights. Becomes `idle` or `down`.
    case starting(failures: Int)
    /// Free for a job. Becomes `busy` or `down`.
    case idle(WorkerReady)
    /// Runs one job. Becomes `idle` or `down`.
    case busy(JobRun, WorkerReady)
    /// No process; a new one starts after the backoff. Becomes `starting`.
    case down(failures: Int)

    /// What the shell does after a change.
    package enum Action: Equatable {
        case nothing
        /// A worker is free: look for jobs.
        case announceIdle
        /// Give the message to the run; when `thenIdle`, the slot is free again as well.
        case deliver(WorkerMessage, JobRun, thenIdle: Bool)
        /// The process broke the protocol.
        case kill(reason: String)
        /// Tell the run, if there is one, and start anew after the backoff.
        case restart(afterSeconds: Double, tell: JobRun?)
    }

    package static let backoffSecondsFirst = 0.5
    package static let backoffSecondsMax = 60.0

    package mutating func start() {
        guard case .down(let failures) = self else { return }
        self = .starting(failures: failures)
    }

    /// - Returns: whether the slot took the job.
    package mutating func assign(_ run: JobRun) -> Bool {
        guard case .idle(let ready) = self else { return false }
        self = .busy(run, ready)
        return true
    }

    /// Takes back an assignment of which the process never heard.
    package mutating func release() {
        guard case .busy(_, let ready) = self else { return }
        self = .idle(ready)
    }

    package mutating func receive(_ message: WorkerMessage) -> Action {
        switch (self, message) {
        case (.starting, .ready(let ready)):
            self = .idle(ready)
            return .announceIdle
        case (.starting, _), (.idle, .ready), (.busy, .ready):
            return .kill(reason: "message out of order")
        case (.busy(let run, let ready), _):
            guard message.run == run else { return .nothing }
            guard message.endsRun else { return .deliver(message, run, thenIdle: false) }
            self = .idle(ready)
            return .deliver(message, run, thenIdle: true)
        case (.idle, _), (.down, _):
            // the tail of a run that is over
            return .nothing
        }
    }

    package mutating func ended() -> Action {
        switch self {
        case .starting(let failures), .down(let failures):
            self = .down(failures: failures + 1)
            return .restart(afterSeconds: Self.backoffSeconds(failures: failures + 1), tell: nil)
        case .idle:
            self = .down(failures: 1)
            return .restart(afterSeconds: Self.backoffSecondsFirst, tell: nil)
        case .busy(let run, _):
            self = .down(failures: 1)
            return .restart(afterSeconds: Self.backoffSecondsFirst, tell: run)
        }
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
        case .progress(let progress): progress.run
        case .output(let run, _, _), .finished(let run, _), .failed(let run, _), .stopped(let run): run
        }
    }

    /// Whether the worker is free after it.
    var endsRun: Bool {
        switch self {
        case .ready, .progress, .output: false
        case .finished, .failed, .stopped: true
        }
    }
}
