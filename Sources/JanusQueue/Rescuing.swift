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
            lockUnknownSQL,
            [
                .uuid(options.instance), .ints(inMemory.map(\.job)), .ints(inMemory.map(\.runLease)),
                .int(takeBackRunsMax),
            ]
        ) { _ in .unknownToDaemon }
    }

    /// Takes back what other daemons stopped renewing one full lease ago, charged as a failed attempt that is tried
    /// again like any other. When it may be called, so that all hosts have had the time to renew after an outage, is
    /// the caller's to know.
    /// - Returns: the runs taken back; call it again while there are any.
    package func rescue() async throws(QueueError) -> [JobRun] {
        try await takeBack(lockStaleSQL, [.uuid(options.instance), .int(takeBackRunsMax)]) {
            row throws(PostgresError) in
            .leaseExpired(
                host: try row.text("host"), runSeconds: try row.double("run_seconds"),
                runTimeoutSeconds: try row.double("run_timeout"))
        }
    }

    /// One transaction: locks runs with their jobs, decides, writes, tells.
    private func takeBack(
        _ lockSQL: String, _ parameters: [PostgresValue],
        _ end: (PostgresRow) throws(PostgresError) -> ClaimEnd
    ) async throws(QueueError) -> [JobRun] {
        try await inTransaction { connection throws(PostgresError) in
            var runs: [JobRun] = []
            var ended: [EndedClaim] = []
            for row in try await connection.query(lockSQL, parameters).rows {
                let run = try JobRun(row)
                let decision = FinishDecision(
                    try end(row), try FinishDecision.Standing(row), rule: options.retry, jitter: .random(in: 0..<1))
                runs.append(run)
                ended.append(
                    EndedClaim(job: run.job, claimToken: try row.uuid("claim_token"), decision: decision))
            }
            guard !ended.isEmpty else { return [] }
            let written = try await record(ended, on: connection)
            ended.removeAll { !written.contains($0.job) }
            try await announce(ended.map { ($0.job, $0.decision.state) }, on: connection)
            return runs.filter { written.contains($0.job) }
        }
    }
}

/// The lock on `run` makes a renewal that came in between count.
private let lockStaleSQL = """
    SELECT r.job, r.run_lease, r.claim_token, a.host, extract(epoch FROM now() - r.started_at)::float8 AS run_seconds,
        extract(epoch FROM j.run_timeout)::float8 AS run_timeout,
        \(FinishDecision.Standing.columns)
    FROM janus_private.run r
    JOIN janus_private.job j ON j.id = r.job
    JOIN janus_private.attempt a ON a.job = r.job AND a.run_lease = r.run_lease
    WHERE r.daemon <> $1 AND r.lease_until + make_interval(secs => r.lease_seconds) < now()
    ORDER BY j.id
    LIMIT $2::int
    FOR UPDATE OF j, r SKIP LOCKED
    """

private let lockUnknownSQL = """
    SELECT r.job, r.run_lease, r.claim_token, \(FinishDecision.Standing.columns)
    FROM janus_private.run r
    JOIN janus_private.job j ON j.id = r.job
    WHERE r.daemon = $1 AND (r.job, r.run_lease) NOT IN (SELECT * FROM unnest($2::bigint[], $3::bigint[]))
    ORDER BY j.id
    LIMIT $4::int
    FOR UPDATE OF j, r SKIP LOCKED
    """
