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
    /// - Parameter isSuspect: the job runs alone next time, because it was in a batch that crashed.
    package func finish(_ claim: ClaimedJob, _ outcome: JobOutcome, isSuspect: Bool = false)
        async throws(QueueError) -> FinishReceipt
    {
        let end = ClaimEnd.reported(outcome, isSuspect: isSuspect)
        var tries = 1
        while true {
            do {
                return try await inTransaction { connection throws(PostgresError) in
                    try await finishOnce(claim, end, connection)
                }
            } catch {
                // Doing it all again is the read-back: the token tells whether it was done.
                guard case .database(.connectionLost) = error, tries < finishTriesMax else { throw error }
                tries += 1
            }
        }
    }

    private func finishOnce(_ claim: ClaimedJob, _ end: ClaimEnd, _ connection: PostgresConnection)
        async throws(PostgresError) -> FinishReceipt
    {
        let job = claim.run.job
        // Job before run; from here on nobody else can take the claim away.
        guard let row = try await connection.query(lockJobSQL, [.int(job)]).rows.first else { return .lost }
        // A statement of its own: only now does it see what was committed before the lock was ours.
        guard
            let earlier = try await connection.query(
                readBackSQL, [.int(job), .int(claim.run.runLease), .uuid(claim.claimToken)]
            ).rows.first
        else { return .lost }
        if let recorded = try earlier.textIfAny("outcome") {
            guard recorded == end.recordedName, let state = JobState(rawValue: try earlier.text("state")) else {
                return .lost
            }
            return .alreadyRecorded(state)
        }

        let decision = FinishDecision(
            end, try FinishDecision.Standing(row), rule: options.retry, jitter: .random(in: 0..<1))
        let ended = EndedClaim(job: job, claimToken: claim.claimToken, decision: decision)
        guard try await record([ended], on: connection).contains(job) else { return .lost }
        for output in decision.result?.outputs ?? [] { try await insert(output, job, connection) }
        try await announce([(job, decision.state)], on: connection)
        return .recorded(decision.state)
    }

    private func insert(_ output: JobOutput, _ job: Int64, _ connection: PostgresConnection) async throws(PostgresError)
    {
        try await connection.query(
            insertOutputSQL,
            [
                .int(job), .int(output.index), .text(output.format.mediaType), .int(orNull: output.format.size?.width),
                .int(orNull: output.format.size?.height), .int(output.data.count), .text(output.sha256),
                .texts(output.urls), output.isStored ? .bytes(output.data) : .null,
            ])
    }
}

private let lockJobSQL = """
    SELECT \(FinishDecision.Standing.columns) FROM janus_private.job j WHERE j.id = $1 FOR UPDATE
    """

/// Without outcome: still running under this token, or taken away.
private let readBackSQL = """
    SELECT outcome, state FROM janus_private.attempt WHERE job = $1 AND run_lease = $2 AND claim_token = $3
    """

private let insertOutputSQL = """
    INSERT INTO janus_private.output (job, index, media_type, width, height, byte_count, sha256, urls, data)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text[], $9::bytea)
    """
