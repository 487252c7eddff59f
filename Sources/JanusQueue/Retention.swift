import JanusPostgres

/// How long finished jobs are kept.
package struct RetentionRule: Sendable, Equatable {
    package var succeededSeconds: Double
    package var failedSeconds: Double
    package var canceledSeconds: Double
    /// Jobs of one transaction.
    package var batchJobs: Int

    package init(
        succeededSeconds: Double, failedSeconds: Double, canceledSeconds: Double, batchJobs: Int = 200
    ) {
        self.succeededSeconds = succeededSeconds
        self.failedSeconds = failedSeconds
        self.canceledSeconds = canceledSeconds
        self.batchJobs = batchJobs
    }
}

extension JobQueue {
    /// Deletes finished jobs by age, a batch a transaction, and what daemons and secrets left. Only one host at a
    /// time does it; the others return at once. It goes on until none is left. A job with a webhook still to be called is kept.
    /// - Returns: how many jobs went.
    package func prune(_ retention: RetentionRule) async throws(QueueError) -> Int {
        var total = 0
        while !Task.isCancelled {
            let count = try await inTransaction { connection throws(PostgresError) in
                guard try await !connection.query(takePruningSQL).rows.isEmpty else { return 0 }
                try await connection.query(pruneSecretsSQL)
                try await connection.query(pruneDaemonsSQL)
                if total == 0 { try await connection.query(pruneCancellationsSQL) }
                return try await connection.query(
                    pruneJobsSQL,
                    [
                        .double(retention.succeededSeconds), .double(retention.failedSeconds),
                        .double(retention.canceledSeconds), .int(retention.batchJobs),
                    ]
                ).row.int("jobs")
            }
            total += count
            if count < retention.batchJobs { break }
        }
        return total
    }
}

/// A row of ours, and not an advisory lock: those belong to whoever names their number first.
private let takePruningSQL = "SELECT FROM janus_private.chore WHERE name = 'pruning' FOR UPDATE SKIP LOCKED"

private let pruneSecretsSQL = "DELETE FROM janus_private.webhook_secret WHERE expires_at < now()"

private let pruneDaemonsSQL = """
    DELETE FROM janus_private.daemon d WHERE d.seen_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM janus_private.run r WHERE r.daemon = d.instance)
    """

/// Asked for in a transaction that outlived its job.
private let pruneCancellationsSQL = """
    DELETE FROM janus_private.cancellation c WHERE c.requested_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM janus_private.job j WHERE j.id = c.job)
    """

private let pruneJobsSQL = """
    WITH gone AS (
        DELETE FROM janus_private.job WHERE id IN (
        SELECT j.id
        FROM (VALUES ('succeeded', $1::float8), ('failed', $2::float8), ('canceled', $3::float8)) AS k (state, seconds)
        CROSS JOIN LATERAL (
            SELECT j.id FROM janus_private.job j
            WHERE j.state = k.state AND j.finished_at < now() - make_interval(secs => k.seconds)
                AND NOT EXISTS (SELECT FROM janus_private.webhook_delivery d WHERE d.job = j.id AND d.state = 'pending')
            ORDER BY j.finished_at
            LIMIT $4::int
            FOR UPDATE SKIP LOCKED
        ) AS j
        ORDER BY j.id
        LIMIT $4::int)
        RETURNING id
    ), forgotten AS (
        DELETE FROM janus_private.cancellation c USING gone g WHERE c.job = g.id
    )
    SELECT count(*) AS jobs FROM gone
    """
