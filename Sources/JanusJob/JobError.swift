/// Why a job, or one attempt of it, did not succeed; what `janus.status` shows as `error`.
package struct JobError: Error, Codable, Sendable, Equatable, CustomStringConvertible {
    package var code: JobErrorCode
    /// For people: what was wrong, with the thing, the value and the limit.
    package var message: String
    /// Whether another attempt could end differently.
    package var retryable: Bool

    /// - Parameter retryable: nil takes the code's own answer.
    package init(_ code: JobErrorCode, _ message: String, retryable: Bool? = nil) {
        self.code = code
        self.message = message
        self.retryable = retryable ?? code.isRetryable
    }

    package var description: String { "\(code.rawValue): \(message)" }
}

/// Stable names that clients may match on.
package enum JobErrorCode: String, Codable, Sendable, CaseIterable {
    /// Arguments that only the model could judge, such as a message order it cannot render.
    case invalidRequest = "invalid_request"
    /// The prompt, its pictures and the answer's room exceed the model's context.
    case promptTooLong = "prompt_too_long"
    /// The keys and values of this job alone exceed the worker's memory for them.
    case memoryExceeded = "memory_exceeded"
    /// A picture that cannot be decoded.
    case invalidImage = "invalid_image"
    /// A picture with more pixels, or an input with more bytes, than the limit.
    case inputTooLarge = "input_too_large"
    /// An input's address that the daemon must not reach.
    case inputForbidden = "input_forbidden"
    /// An input that could not be fetched.
    case inputUnavailable = "input_unavailable"
    /// A sink that the job's owner or the daemon may not write to.
    case uploadForbidden = "upload_forbidden"
    /// A sink that did not take the output.
    case uploadFailed = "upload_failed"
    /// The worker process ended while it ran the job.
    case workerCrashed = "worker_crashed"
    /// The worker process stopped answering.
    case workerHung = "worker_hung"
    /// The attempt took longer than `run_timeout`.
    case runTimeout = "run_timeout"
    /// The job waited beyond `expires_at`.
    case expired
    /// The host that ran the job stopped renewing its lease.
    case leaseExpired = "lease_expired"
    /// The host gave the job back, uncharged: it was stopping, or had no free worker.
    case handedOver = "handed_over"
    /// The job waits, and no worker of its model starts on any host that serves it. Of no attempt.
    case modelFailed = "model_failed"
    /// A fault of janusd itself.
    case internalError = "internal_error"

    /// Whether, in general, another attempt could end differently.
    package var isRetryable: Bool {
        switch self {
        case .invalidRequest, .promptTooLong, .memoryExceeded, .invalidImage, .inputTooLarge, .inputForbidden,
            .uploadForbidden,
            .expired:
            false
        case .inputUnavailable, .uploadFailed, .workerCrashed, .workerHung, .runTimeout, .leaseExpired, .handedOver,
            .modelFailed, .internalError:
            true
        }
    }
}
