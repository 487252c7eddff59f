/// Where a job is in its life. The `job` table holds its rows to the same machine.
///
///     queued ──► running ──► succeeded
///       ▲ │         │ ├────► failed ───┐
///       │ │         │ └────► canceled ─┤
///       │ ├─────────┼──────► canceled ─┤   (canceled while waiting)
///       │ └─────────┼──────► failed ───┤   (expired while waiting)
///       ├───────────┘                  │   retry, hand-over
///       └──────────────────────────────┘   only by janus.retry
package enum JobState: String, Codable, Sendable, CaseIterable {
    /// Waits for its `run_at` and a free worker. Becomes `running`, `canceled` or `failed` (expired).
    case queued
    /// Claimed by one host under a lease. Becomes `succeeded`, `failed`, `canceled`, or `queued` again.
    case running
    /// Its outputs are published. Final.
    case succeeded
    /// Its last error is recorded. Becomes `queued` only by `janus.retry`.
    case failed
    /// Stopped on request. Becomes `queued` only by `janus.retry`.
    case canceled

    /// Whether the job's webhooks and outputs of this generation are settled.
    package var isFinished: Bool {
        switch self {
        case .queued, .running: false
        case .succeeded, .failed, .canceled: true
        }
    }
}

/// What a running job is doing; refines `JobState.running`. Phases only advance within one claim.
package enum JobPhase: String, Codable, Sendable, CaseIterable {
    /// Inputs are fetched, decoded and tokenised.
    case preparing
    /// The prompt (and its pictures) enters the KV cache.
    case prefill
    /// Tokens are drawn: image tokens or the answer's.
    case drawing
    /// Image tokens become pixels and files.
    case decoding
    /// Outputs are uploaded and recorded.
    case delivering
}
