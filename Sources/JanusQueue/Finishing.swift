import Foundation
package import JanusJob
import JanusPostgres

/// How often a finish begins anew when the connection breaks under it, before the caller has to call again.
private let finishTriesMax = 3

extension JobQueue {
    /// Ends a claim in one transaction: state, outputs, attempt record, usage and the webhook's outbox row.
    ///
    /// If the connection breaks, at COMMIT most of all, it connects again and reads back by the token. When that fails
    /// too it throws, and may be called again with the same arguments for as long as it takes.
    /// - Parameters:
    ///   - jitter: a uniform draw from 0 ..< 1 for the delay of a retry.
    ///   - isSuspect: the job runs alone next time, because it was in a batch that crashed.
    package func finish(
        _ claim: ClaimedJob, _ outcome: JobOutcome, rule: RetryRule, jitter: Double = .random(in: 0..<1),
        isSuspect: Bool = false
    ) async throws(QueueError) -> FinishReceipt {
        var tries = 1
        while true {
            do {
                return try await inTransaction { connection throws(PostgresError) in
                    try await finishOnce(claim, outcome, rule, jitter, isSuspect, connection)
                }
            } catch {
                // Doing it all again is the read-back: the token tells whether it was done.
                guard case .database(.connectionLost) = error, tries < finishTriesMax else { throw error }
                tries += 1
            }
        }
    }

    private func finishOnce(
        _ claim: ClaimedJob, _ outcome: JobOutcome, _ rule: RetryRule, _ jitter: Double, _ isSuspect: Bool,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> FinishReceipt {
        let job = PostgresValue.int(claim.run.job)
        // Job before run; from here on nobody else can take the claim away.
        guard let row = try await connection.query(lockJobSQL, [job]).rows.first else { return .lost }
        let standing = FinishDecision.Standing(
            attempts: try row.int("attempts"), attemptsMax: try row.int("max_attempts"),
            handovers: try row.int("handovers"), handoversMax: try row.int("handovers_max"),
            isCancelRequested: try row.bool("cancel_requested"))
        // A statement of its own: only now does it see what was committed before the lock was ours.
        guard
            let earlier = try await connection.query(
                readBackSQL, [job, .int(claim.run.runLease), .uuid(claim.claimToken)]
            ).rows.first
        else { return .lost }
        if let recorded = try earlier.textIfAny("outcome") {
            guard recorded == outcome.recordedName, let state = JobState(rawValue: try earlier.text("state")) else {
                return .lost
            }
            return .alreadyRecorded(state)
        }

        let decision = FinishDecision(outcome, standing, rule: rule, jitter: jitter)
        guard try await record(decision, claim, outcome, isSuspect, connection) else { return .lost }
        if decision.state.isFinished {
            try await connection.query(emitSQL, [job, .text(decision.state.rawValue)])
        } else {
            try await connection.query(notifyQueuedSQL)
        }
        return .recorded(decision.state)
    }

    /// - Returns: false if the run does not carry the claim's token.
    private func record(
        _ decision: FinishDecision, _ claim: ClaimedJob, _ outcome: JobOutcome, _ isSuspect: Bool,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        var attemptError = PostgresValue.null
        if let error = decision.attemptError { attemptError = try .json(error) }
        let fence: [PostgresValue] = [
            .int(claim.run.job), .uuid(claim.claimToken), .text(outcome.recordedName), attemptError,
        ]
        switch decision.next {
        case .succeeded(let result):
            let values: [PostgresValue] = [
                .text(orNull: result.text), .text(orNull: result.finishReason?.rawValue), try .json(result.usage),
            ]
            guard try await connection.query(succeedSQL, fence + values).affectedCount == 1 else { return false }
            for output in result.outputs { try await insert(output, claim.run.job, connection) }
            return true
        case .failed(let error):
            return try await connection.query(failSQL, fence + [try .json(error)]).affectedCount == 1
        case .canceled:
            return try await connection.query(cancelSQL, fence).affectedCount == 1
        case .retried(let seconds, let error):
            return try await connection.query(
                retrySQL, fence + [.double(seconds), try .json(error), .bool(isSuspect)]
            ).affectedCount == 1
        case .handedOver:
            return try await connection.query(handOverSQL, fence + [.bool(isSuspect)]).affectedCount == 1
        }
    }

    private func insert(_ output: JobOutput, _ job: Int64, _ connection: PostgresConnection) async throws(PostgresError)
    {
        try await connection.query(
            insertOutputSQL,
            [
                .int(job), .int(output.index), .text(output.mediaType), .int(orNull: output.width),
                .int(orNull: output.height), .int(output.byteCount), .text(output.sha256), .texts(output.urls),
                .bytes(orNull: output.data),
            ])
    }
}

private let lockJobSQL = """
    SELECT attempts, max_attempts, handovers, cancel_requested_at IS NOT NULL AS cancel_requested,
        janus_private.setting_int('handovers_max') AS handovers_max
    FROM janus_private.job WHERE id = $1 FOR UPDATE
    """

/// Without outcome: still running under this token, or taken away.
private let readBackSQL = """
    SELECT outcome, state FROM janus_private.attempt WHERE job = $1 AND run_lease = $2 AND claim_token = $3
    """

/// The fence, the run's end and the attempt's record for a job that goes to `state`; the caller adds the job's change,
/// `SELECT … FROM held`. Parameters: job, token, outcome, the attempt's error.
private func ending(_ held: String, _ state: JobState, _ change: String) -> String {
    """
    WITH held AS (\(held) WHERE job = $1 AND claim_token = $2 RETURNING job, run_lease),
    recorded AS (
        UPDATE janus_private.attempt a SET ended_at = now(), outcome = $3, state = '\(state.rawValue)', error = $4::jsonb
        FROM held WHERE a.job = held.job AND a.run_lease = held.run_lease
    )
    UPDATE janus_private.job j SET state = '\(state.rawValue)', \(change) FROM held WHERE j.id = held.job
    """
}

private let endRun = "DELETE FROM janus_private.run"
/// What was drawn stays for the next claim.
private let clearRun = """
    UPDATE janus_private.run SET claim_token = NULL, lease_until = NULL, phase = NULL, steps_done = 0, steps_total = 1
    """

private let succeedSQL = ending(
    endRun, .succeeded,
    "finished_at = now(), error = NULL, is_suspect = false, text = $5, finish_reason = $6, usage = $7::jsonb")
private let failSQL = ending(endRun, .failed, "finished_at = now(), error = $5::jsonb")
private let cancelSQL = ending(endRun, .canceled, "finished_at = now()")
private let retrySQL = ending(
    clearRun, .queued, "run_at = now() + make_interval(secs => $5::float8), error = $6::jsonb, is_suspect = $7::boolean"
)
private let handOverSQL = ending(
    clearRun, .queued,
    "run_at = now(), attempts = j.attempts - 1, handovers = j.handovers + 1, is_suspect = $5::boolean OR j.is_suspect")

private let insertOutputSQL = """
    INSERT INTO janus_private.output (job, index, media_type, width, height, byte_count, sha256, urls, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[], $9::bytea)
    """

/// Outbox row and hint for listeners; after the state change, whose effect it shows.
let emitSQL = "SELECT janus_private.emit($1, $2)"

let notifyQueuedSQL = """
    SELECT pg_notify('janus_queued', '') WHERE janus_private.setting_text('notify') = 'on'
    """
