import JanusJob
import JanusPostgres

/// Jobs that one transaction expires.
private let expireJobsMax = 200

extension JobQueue {
    /// Fails what waited beyond its `expires_at`.
    /// - Returns: how many.
    package func expireQueued() async throws(QueueError) -> Int {
        var total = 0
        while true {
            let count = try await inTransaction { connection throws(PostgresError) in
                let due = try await connection.query(lockExpiredSQL, [.int(expireJobsMax)])
                let expired = try due.map { row throws(PostgresError) in
                    ExpiredJob(
                        job: try row.int64("id"),
                        error: JobError(.expired, "it waited beyond its expires_at, \(try row.text("expires_at"))"))
                }
                guard !expired.isEmpty else { return 0 }
                try await connection.query(expireSQL, [try .json(expired)])
                try await announce(expired.map { ($0.job, .failed) }, on: connection)
                return expired.count
            }
            total += count
            if count < expireJobsMax { return total }
        }
    }
}

private struct ExpiredJob: Encodable {
    var job: Int64
    var error: JobError
}

/// In the order of their index: a claim passes over some expired jobs of a lane, and is held up by many.
private let lockExpiredSQL = """
    SELECT id, expires_at::text FROM janus_private.job WHERE state = 'queued' AND expires_at <= now()
    ORDER BY expires_at LIMIT $1::int FOR UPDATE SKIP LOCKED
    """

private let expireSQL = """
    UPDATE janus_private.job j SET state = 'failed', finished_at = now(), error = e.error
    FROM jsonb_to_recordset($1::jsonb) AS e (job bigint, error jsonb) WHERE j.id = e.job
    """
