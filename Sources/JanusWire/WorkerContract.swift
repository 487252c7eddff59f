import Foundation
package import JanusJob

/// What a worker may say, after what it was told. A worker decodes pictures that strangers sent, so one of them may have taken it
/// over: nothing is believed because it parses. What no sound worker says at this point is a breach, and whoever says it is killed.
///
///     silent ──ready──► serving; a run: given ──progress, output 0, output 1, …──► over by finished, failed or stopped
///
/// What passes is bounded: a run's outputs by its task, its progress by the clock.
package struct WorkerContract: Sendable {
    /// A run that the worker was given and has not ended.
    private struct Given {
        let task: JobTask
        var isCancelRequested = false
        var outputs = 0
        var progress: JobProgress?
        var lastProgress: ContinuousClock.Instant?
    }

    /// Progress of one phase that comes sooner after the last is dropped; sound workers wait twice as long.
    package static let progressInterval = Duration.milliseconds(50)
    /// Of a failure's message, a fingerprint, a summary.
    package static let textBytesMax = 16 << 10
    /// What a worker alone can find out; the other codes are the supervisor's.
    package static let errorCodes: Set<JobErrorCode> = [
        .invalidRequest, .promptTooLong, .memoryExceeded, .invalidImage, .inputTooLarge, .internalError,
    ]
    /// A file may be so many times as large as its pixels; beside them it holds the prompt, and so many bytes of the rest.
    private static let pictureBytesPerByteMax = 2
    private static let metadataBytesMax = 128 << 10
    /// U+FFFD in place of a byte that is no UTF-8.
    private static let textBytesPerByteMax = 3
    private static let secondsMax = 1e9

    private let jobsMax: Int
    private var ready: WorkerReady?
    private var runs: [JobRun: Given] = [:]

    /// - Parameter jobsMax: what the worker was started with.
    package init(jobsMax: Int) { self.jobsMax = jobsMax }

    /// Takes note of what the worker is told, before it can hear it.
    package mutating func told(_ message: SupervisorMessage) {
        switch message {
        case .start(let start): runs[start.run] = Given(task: start.task)
        case .cancel(let run): runs[run]?.isCancelRequested = true
        case .input, .shutdown: break
        }
    }

    /// Judges what the worker says.
    /// - Returns: whether it is to be passed on.
    /// - Throws: `breach`
    package mutating func judge(_ message: WorkerMessage, now: ContinuousClock.Instant = .now)
        throws(WireError) -> Bool
    {
        switch message {
        case .ready(let said):
            guard ready == nil else { throw .breach("ready twice") }
            try check(said)
            ready = said
        case .progress(let run, let progress): return try take(progress, of: run, now)
        case .output(let run, let output): try take(output, of: run)
        case .finished(let run, let completion): try finish(run, completion)
        case .failed(let run, let error): try fail(run, error)
        case .stopped(let run):
            guard try entry(of: run).isCancelRequested else {
                throw .breach("run \(run) stopped, which nobody asked for")
            }
            runs[run] = nil
        }
        return true
    }

    private func check(_ ready: WorkerReady) throws(WireError) {
        try Self.require(ready.jobsMax, in: 1...jobsMax, "ready: jobsMax")
        try Self.require(ready.pictureSide, in: 1...WorkerReady.pictureSideMax, "ready: pictureSide")
        try Self.require(ready.tokenBytesMax, in: 1...WorkerReady.tokenBytesLimit, "ready: tokenBytesMax")
        try Self.require(ready.fingerprint.utf8.count, in: 0...Self.textBytesMax, "ready: bytes of the fingerprint")
        try Self.require(ready.summary.utf8.count, in: 0...Self.textBytesMax, "ready: bytes of the summary")
    }

    private func entry(of run: JobRun) throws(WireError) -> Given {
        guard ready != nil else { throw .breach("a message about run \(run) before ready") }
        guard let given = runs[run] else {
            throw .breach("a message about run \(run), which this worker does not have")
        }
        return given
    }

    /// Phases and steps only grow.
    private mutating func take(_ progress: JobProgress, of run: JobRun, _ now: ContinuousClock.Instant)
        throws(WireError) -> Bool
    {
        var given = try entry(of: run)
        guard progress.isPossible, progress.phase != .delivering else {
            throw .breach("progress of run \(run): \(progress)")
        }
        if let last = given.progress, let time = given.lastProgress {
            guard progress.phase.ordinal >= last.phase.ordinal, progress.stepsDone >= last.stepsDone else {
                throw .breach("progress of run \(run): \(progress) after \(last)")
            }
            if progress.phase == last.phase, now - time < Self.progressInterval { return false }
        }
        given.progress = progress
        given.lastProgress = now
        runs[run] = given
        return true
    }

    private mutating func take(_ output: JobOutput, of run: JobRun) throws(WireError) {
        let given = try entry(of: run)
        let name = "output \(output.index) of run \(run)"
        guard output.index == given.outputs, output.index < given.task.outputCount else {
            throw .breach("\(name) after \(given.outputs) of \(given.task.outputCount)")
        }
        switch given.task {
        case .generate(let parameters): try check(output, name, drawnBy: parameters)
        case .understand(let parameters), .chat(let parameters): try check(output, name, answering: parameters)
        }
        runs[run]?.outputs += 1
    }

    /// - Precondition: the worker is ready.
    private func check(_ output: JobOutput, _ name: String, drawnBy parameters: GenerateParameters) throws(WireError) {
        let side = ready?.pictureSide ?? 0
        let expected = OutputFormat.image(parameters.format, width: side, height: side)
        guard output.format == expected else { throw .breach("\(name) is \(output.format), expected \(expected)") }
        let bytesMax =
            Self.pictureBytesPerByteMax * 3 * side * side + parameters.prompt.utf8.count + Self.metadataBytesMax
        try Self.require(output.data.count, in: 1...bytesMax, "\(name): bytes")
        guard let header = PictureHeader(output.data), header.format == parameters.format, header.width == side,
            header.height == side
        else { throw .breach("\(name): the bytes are not of \(expected)") }
    }

    private func check(_ output: JobOutput, _ name: String, answering parameters: AnswerParameters) throws(WireError) {
        guard output.format == .text else { throw .breach("\(name) is \(output.format), expected a text") }
        let bytesMax = Self.textBytesPerByteMax * (parameters.maxTokens * (ready?.tokenBytesMax ?? 0) + 1)
        try Self.require(output.data.count, in: 0...bytesMax, "\(name): bytes")
        guard String(validating: output.data, as: UTF8.self) != nil else { throw .breach("\(name) is not UTF-8") }
    }

    private mutating func finish(_ run: JobRun, _ completion: JobCompletion) throws(WireError) {
        let given = try entry(of: run)
        let name = "the end of run \(run)"
        guard given.outputs == given.task.outputCount else {
            throw .breach("\(name) after \(given.outputs) of \(given.task.outputCount) outputs")
        }
        let usage = completion.usage
        switch given.task {
        case .generate(let parameters):
            guard completion.finishReason == nil else {
                throw .breach("\(name) has a finish reason, drawings have none")
            }
            try Self.require(usage.images, in: parameters.images...parameters.images, "\(name): images")
            try Self.require(usage.outputTokens, in: 0...JobProgress.stepsMax, "\(name): output tokens")
        case .understand(let parameters), .chat(let parameters):
            guard completion.finishReason != nil else {
                throw .breach("\(name) has no finish reason, answers have one")
            }
            try Self.require(usage.images, in: 0...0, "\(name): images")
            try Self.require(usage.outputTokens, in: 0...parameters.maxTokens, "\(name): output tokens")
        }
        try Self.require(usage.promptTokens, in: 0...JobProgress.stepsMax, "\(name): prompt tokens")
        for seconds in [usage.prefillSeconds, usage.drawingSeconds, usage.decodingSeconds] {
            guard (0...Self.secondsMax).contains(seconds) else { throw .breach("\(name): \(seconds) seconds") }
        }
        runs[run] = nil
    }

    private mutating func fail(_ run: JobRun, _ error: JobError) throws(WireError) {
        _ = try entry(of: run)
        guard Self.errorCodes.contains(error.code) else {
            throw .breach("the failure of run \(run): \(error.code.rawValue) is not a worker's to say")
        }
        try Self.require(error.message.utf8.count, in: 1...Self.textBytesMax, "the failure of run \(run): bytes")
        runs[run] = nil
    }

    private static func require(_ value: Int, in range: ClosedRange<Int>, _ name: String) throws(WireError) {
        guard range.contains(value) else {
            throw .breach("\(name) is \(value), outside \(range.lowerBound)…\(range.upperBound)")
        }
    }
}

extension JobPhase {
    fileprivate var ordinal: Int {
        switch self {
        case .preparing: 0
        case .prefill: 1
        case .drawing: 2
        case .decoding: 3
        case .delivering: 4
        }
    }
}
