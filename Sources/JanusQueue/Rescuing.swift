import Foundation
package import JanusJob
import JanusPostgres

/// Runs that one transaction takes back.
private let takeBackRunsMax = 100

extension JobQueue {
    /// Puts back what this daemon holds in the database and not in memory: claims whose acknowledgement was lost.
    /// Uncharged, as a hand-over. Call it after every reconnect, while no claim is under way. A job that a client
    /// has locked is left for the next call.
    /// - Returns: the runs put back.
    package func releaseUnknown(inMemory: [JobRun]) async throws(QueueError) -> [JobRun] {
        try await takeBack(
            releaseUnknownSQL,
            [
                .uuid(options.instance), .ints(inMemory.map(\.job)), .ints(inMemory.map(\.runLease)),
                .int(takeBackRunsMax),
            ])
    }

    /// Takes back what other daemons stopped renewing one full lease ago, charged as a failed attempt. The caller
    /// decides when it may run: one full lease after its own reconnect and after the server's start, so that all
    /// hosts have had the time to renew.
    /// - Returns: the runs taken back; call it again while there are any.
    package func rescue() async throws(QueueError) -> [JobRun] {
        try await takeBack(rescueSQL, [.uuid(options.instance), .int(takeBackRunsMax)])
    }

    private func takeBack(_ sql: String, _ parameters: [PostgresValue]) async throws(QueueError) -> [JobRun] {
        try await inTransaction { connection throws(PostgresError) in
            let taken = try await connection.query(sql, parameters)
            var runs: [JobRun] = []
            for row in taken.rows {
                let run = try JobRun(row)
                let state = try row.text("state")
                if state != JobState.queued.rawValue {
                    try await connection.query(emitSQL, [.int(run.job), .text(state)])
                }
                runs.append(run)
            }
            if !runs.isEmpty { try await connection.query(notifyQueuedSQL) }
            return runs
        }
    }
}

/// What is left to do once `taken` says for each run how it ended (outcome, error), what becomes of the job (state)
/// and whether the attempt is given back.
private let takeBackTail = """
    , freed AS (
        UPDATE janus_private.run r
        SET claim_token = NULL, lease_until = NULL, phase = NULL, steps_done = 0, steps_total = 1
        FROM taken t WHERE r.job = t.job AND r.claim_token = t.claim_token AND t.state = 'queued'
    ), ended AS (
        DELETE FROM janus_private.run r
        USING taken t WHERE r.job = t.job AND r.claim_token = t.claim_token AND t.state <> 'queued'
    ), recorded AS (
        UPDATE janus_private.attempt a SET ended_at = now(), outcome = t.outcome, state = t.state, error = t.error
        FROM taken t WHERE a.job = t.job AND a.run_lease = t.run_lease
    ), changed AS (
        UPDATE janus_private.job j
        SET state = t.state, run_at = CASE t.state WHEN 'queued' THEN now() ELSE j.run_at END,
            finished_at = CASE WHEN t.state <> 'queued' THEN now() END,
            error = CASE WHEN t.state = 'failed' OR t.state = 'queued' AND NOT t.is_given_back THEN t.error ELSE j.error END,
            attempts = j.attempts - t.is_given_back::int, handovers = j.handovers + t.is_given_back::int
        FROM taken t WHERE j.id = t.job
    )
    SELECT job, run_lease, state FROM taken ORDER BY job
    """

/// The lock on `run` makes a renewal that came in between count.
private let rescueSQL = """
    WITH stale AS (
        SELECT j.id AS job, r.run_lease, r.claim_token, j.attempts, j.max_attempts, j.cancel_requested_at, a.host,
            now() > r.started_at + j.run_timeout AS is_late, j.run_timeout
        FROM janus_private.run r
        JOIN janus_private.job j ON j.id = r.job
        JOIN janus_private.attempt a ON a.job = r.job AND a.run_lease = r.run_lease
        WHERE r.claim_token IS NOT NULL AND r.daemon <> $1
            AND r.lease_until + make_interval(secs => r.lease_seconds) < now()
        ORDER BY j.id
        LIMIT $2::int
        FOR UPDATE OF j, r SKIP LOCKED
    ), taken AS (
        SELECT job, run_lease, claim_token, 'lease_expired' AS outcome, false AS is_given_back,
            CASE WHEN cancel_requested_at IS NOT NULL THEN 'canceled' WHEN attempts < max_attempts THEN 'queued'
                ELSE 'failed' END AS state,
            jsonb_build_object('retryable', true, 'code', CASE WHEN is_late THEN 'run_timeout' ELSE 'lease_expired' END,
                'message', CASE WHEN is_late
                    THEN format('the attempt took longer than run_timeout (%s) on host %s, which stopped renewing it', run_timeout, host)
                    ELSE format('host %s stopped renewing its lease: it crashed, lost the database, or was cut off', host) END
            ) AS error
        FROM stale
    )
    """ + takeBackTail

private let releaseUnknownSQL = """
    WITH unknown AS (
        SELECT j.id AS job, r.run_lease, r.claim_token, j.cancel_requested_at,
            j.handovers < janus_private.setting_int('handovers_max') AS may_return
        FROM janus_private.run r
        JOIN janus_private.job j ON j.id = r.job
        WHERE r.claim_token IS NOT NULL AND r.daemon = $1
            AND (r.job, r.run_lease) NOT IN (SELECT * FROM unnest($2::bigint[], $3::bigint[]))
        ORDER BY j.id
        LIMIT $4::int
        FOR UPDATE OF j, r SKIP LOCKED
    ), taken AS (
        SELECT job, run_lease, claim_token, 'released' AS outcome,
            cancel_requested_at IS NULL AND may_return AS is_given_back,
            CASE WHEN cancel_requested_at IS NOT NULL THEN 'canceled' WHEN may_return THEN 'queued' ELSE 'failed' END AS state,
            jsonb_build_object('code', 'internal_error', 'retryable', may_return, 'message',
                'the daemon that claimed it did not know of the claim: the connection broke meanwhile') AS error
        FROM unknown
    )
    """ + takeBackTail
