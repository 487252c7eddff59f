package import Foundation
package import JanusJob

/// What a supervisor says to its worker.
package enum SupervisorMessage: Sendable, Equatable {
    /// Take this job. Exactly `inputCount` `.input` messages follow; the worker begins when all are there and it has room.
    case start(JobStart)
    /// One picture's bytes as fetched, `index` counting from 0 without gaps.
    case input(JobRun, index: Int, Data)
    /// Stop this job; the worker answers `.stopped`. Unknown runs are ignored: the answer may have crossed.
    case cancel(JobRun)
    /// Exit with status 0 as soon as possible.
    case shutdown
}

/// A job as the worker sees it: no identity of the owner, no addresses, no credentials.
package struct JobStart: Codable, Sendable, Equatable {
    package var run: JobRun
    package var task: JobTask
    package var inputCount: Int
    /// No other job may be computed beside it: it was in a batch that crashed.
    package var isAlone: Bool

    package init(run: JobRun, task: JobTask, inputCount: Int, isAlone: Bool = false) {
        self.run = run
        self.task = task
        self.inputCount = inputCount
        self.isAlone = isAlone
    }
}

/// What a worker says to its supervisor.
package enum WorkerMessage: Sendable, Equatable {
    /// The weights are loaded; jobs may come. Sent once, first.
    case ready(WorkerReady)
    /// Sent from the computing thread itself while any job has begun, at least every `heartbeatSecondsMax`, about one or
    /// another of them: a worker is judged by its silence, not each job. From pass to pass each job has its own. The first
    /// of a job, `preparing`, is sent before anything of it is touched; one job at a time is prepared.
    case progress(JobRun, JobProgress)
    /// One output; those of a run come in the order of their index, all of them before `.finished`.
    case output(JobRun, JobOutput)
    case finished(JobRun, JobCompletion)
    case failed(JobRun, JobError)
    /// The answer to `.cancel`.
    case stopped(JobRun)
}

/// What a loaded worker can do.
package struct WorkerReady: Codable, Sendable, Equatable {
    /// Jobs that it computes at once, at most as many as it was started for; each may take as much memory as an image.
    package var jobsMax: Int
    /// Everything that decides the bytes of a result: source hash, precision, numerics version.
    package var fingerprint: String
    /// For people: parts, sizes, precision.
    package var summary: String

    /// Of the square pictures that it draws, in pixels.
    package var pictureSide: Int
    /// Of the text that one token stands for, at most.
    package var tokenBytesMax: Int

    /// More than any format of a file has room for.
    package static let pictureSideMax = 1 << 14
    /// Far beyond the longest token of any vocabulary.
    package static let tokenBytesLimit = 1 << 16

    package init(jobsMax: Int, fingerprint: String, summary: String, pictureSide: Int, tokenBytesMax: Int) {
        self.jobsMax = jobsMax
        self.fingerprint = fingerprint
        self.summary = summary
        self.pictureSide = pictureSide
        self.tokenBytesMax = tokenBytesMax
    }
}

/// How often a working worker shows that it lives: what it computes at most between two signs, at the rate of the slowest
/// processor that this is promised for. Supervisors allow a multiple of it.
package let heartbeatSecondsMax = Double(multiplyAddsBetweenSignsMax) / Double(slowestMultiplyAddsPerSecond)
/// Multiplications with an addition: a layer of Janus-Pro-7B for a full pass in which every position sees a whole context.
/// Tests count such a layer, and what it is made of.
package let multiplyAddsBetweenSignsMax = 70_000_000_000
/// Of a worker: half of what one core with AVX2 makes in bf16, for which it has no instructions, where this was measured. A
/// processor for which there are only the plain C kernels is slower and cannot hold it for Janus-Pro-7B: where a full pass's
/// layer takes it longer than its supervisor allows, its worker is killed as hung, again in each attempt, until the job fails.
package let slowestMultiplyAddsPerSecond = 14_000_000_000
