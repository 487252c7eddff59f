import Foundation
import JanusJob
import JanusPostgres

/// A decided end of a claim, as one JSON parameter carries it to the statement that writes it.
struct EndedClaim: Encodable {
    var job: Int64
    var claimToken: UUID
    var decision: FinishDecision

    private enum Key: String, CodingKey {
        case job, outcome, state, attempts, handovers, error, text, usage
        case claimToken = "claim_token"
        case attemptError = "attempt_error"
        case delaySeconds = "delay_seconds"
        case isFinished = "is_finished"
        case isSuspect = "is_suspect"
        case keepsError = "keeps_error"
        case finishReason = "finish_reason"
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(job, forKey: .job)
        try values.encode(claimToken, forKey: .claimToken)
        try values.encode(decision.outcomeName, forKey: .outcome)
        try values.encodeIfPresent(decision.attemptError, forKey: .attemptError)
        try values.encode(decision.state, forKey: .state)
        try values.encode(decision.state.isFinished, forKey: .isFinished)
        try values.encodeIfPresent(decision.delaySeconds, forKey: .delaySeconds)
        try values.encode(decision.attempts, forKey: .attempts)
        try values.encode(decision.handovers, forKey: .handovers)
        try values.encode(decision.isSuspect, forKey: .isSuspect)
        try values.encodeIfPresent(decision.error, forKey: .error)
        try values.encode(decision.keepsError, forKey: .keepsError)
        try values.encodeIfPresent(decision.result?.text, forKey: .text)
        try values.encodeIfPresent(decision.result?.completion.finishReason, forKey: .finishReason)
        try values.encodeIfPresent(decision.result?.completion.usage, forKey: .usage)
    }
}

extension FinishDecision.Standing {
    /// What a statement that locks a job selects for the decision; `j` is the job.
    static let columns = """
        j.attempts, j.max_attempts, j.handovers, janus_private.setting_int('handovers_max') AS handovers_max,
            janus_private.is_cancel_requested(j.id, j.generation) AS cancel_requested, j.is_suspect
        """

    init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            attempts: try row.int("attempts"), attemptsMax: try row.int("max_attempts"),
            handovers: try row.int("handovers"), handoversMax: try row.int("handovers_max"),
            isCancelRequested: try row.bool("cancel_requested"), isSuspect: try row.bool("is_suspect"))
    }
}

extension JobQueue {
    /// Writes decided ends of claims whose jobs are locked; what a claim's token does not hold any more is left alone.
    /// - Returns: the jobs that were written.
    func record(_ ended: [EndedClaim], on connection: PostgresConnection) async throws(PostgresError) -> Set<Int64> {
        let result = try await connection.query(recordSQL, [try .json(ended)])
        return Set(try result.map { row throws(PostgresError) in try row.int64("id") })
    }

    /// Tells of state changes that were written: outbox rows of what is over, one wake for what waits again.
    func announce(_ changes: [(job: Int64, state: JobState)], on connection: PostgresConnection)
        async throws(PostgresError)
    {
        let over = changes.filter(\.state.isFinished)
        if !over.isEmpty {
            try await connection.query(emitSQL, [.ints(over.map(\.job)), .texts(over.map(\.state.rawValue))])
        }
        if over.count < changes.count { try await connection.query(notifyQueuedSQL) }
    }
}

/// The fence is the deletion of the run: only by its token. Everything else follows from it.
private let recordSQL = """
    WITH ended AS (
        SELECT * FROM jsonb_to_recordset($1::jsonb) AS e (job bigint, claim_token uuid, outcome text, attempt_error jsonb,
            state text, is_finished boolean, delay_seconds float8, attempts int, handovers int, is_suspect boolean,
            error jsonb, keeps_error boolean, text text, finish_reason text, usage jsonb)
    ), held AS (
        DELETE FROM janus_private.run r USING ended e
        WHERE r.job = e.job AND r.claim_token = e.claim_token
        RETURNING r.run_lease, e.*
    ), recorded AS (
        UPDATE janus_private.attempt a SET ended_at = now(), outcome = h.outcome, state = h.state, error = h.attempt_error
        FROM held h WHERE a.job = h.job AND a.run_lease = h.run_lease
    )
    UPDATE janus_private.job j
    SET state = h.state, attempts = h.attempts, handovers = h.handovers, is_suspect = h.is_suspect,
        error = CASE WHEN h.keeps_error THEN j.error ELSE h.error END,
        due_at = coalesce(clock_timestamp() + make_interval(secs => h.delay_seconds), j.due_at),
        finished_at = CASE WHEN h.is_finished THEN now() END, text = h.text, finish_reason = h.finish_reason, usage = h.usage
    FROM held h WHERE j.id = h.job
    RETURNING j.id
    """

/// Outbox rows and hints for listeners, in the order given; after the state changes, whose effect they show.
private let emitSQL = """
    SELECT janus_private.emit(x.job, x.state) FROM unnest($1::bigint[], $2::text[]) AS x (job, state)
    """

private let notifyQueuedSQL = """
    SELECT janus_private.wake('janus_queued')
    """
