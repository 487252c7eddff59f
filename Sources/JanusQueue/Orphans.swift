package import JanusJob
import JanusPostgres

/// Runs that one look for orphans takes.
private let orphanedRunsMax = 100

/// Files that an attempt of this host may have left although it did not succeed.
package struct OrphanedFiles: Sendable, Equatable {
    package var run: JobRun
    /// `file:///…`
    package var urls: [String]
}

extension JobQueue {
    /// Writes down what a claim is about to put where, so that somebody knows of it whatever becomes of this host.
    /// - Returns: whether the claim still holds.
    package func announceUploads(of claim: ClaimedJob, objects: [String], files: [String]) async throws(QueueError)
        -> Bool
    {
        try await query(
            announceUploadsSQL,
            [.int(claim.run.job), .int(claim.run.runLease), .uuid(claim.claimToken), .texts(objects), .texts(files)]
        ).affectedCount > 0
    }

    /// Attempts of hosts of this name that ended so long ago, without success and with files announced.
    package func orphanedFiles(afterSeconds: Double) async throws(QueueError) -> [OrphanedFiles] {
        let result = try await query(
            orphanedFilesSQL, [.text(options.hostName), .double(afterSeconds), .int(orphanedRunsMax)])
        return try decode { () throws(PostgresError) in
            try result.map { row throws(PostgresError) in
                OrphanedFiles(run: try JobRun(row), urls: try row.json("files", as: [String].self))
            }
        }
    }

    /// The files of these attempts are gone.
    package func forgetFiles(of runs: [JobRun]) async throws(QueueError) {
        try await query(forgetFilesSQL, [.ints(runs.map(\.job)), .ints(runs.map(\.runLease))])
    }
}

private let announceUploadsSQL = """
    UPDATE janus_private.attempt SET uploads = $4::text[], files = $5::text[]
    WHERE job = $1 AND run_lease = $2 AND claim_token = $3 AND outcome IS NULL
    """

private let orphanedFilesSQL = """
    SELECT a.job, a.run_lease, to_json(a.files) AS files FROM janus_private.attempt a
    WHERE a.host = $1 AND a.outcome <> 'succeeded' AND a.files <> '{}'
        AND a.ended_at < now() - make_interval(secs => $2::float8)
    ORDER BY a.ended_at LIMIT $3::int
    """

private let forgetFilesSQL = """
    UPDATE janus_private.attempt a SET files = '{}'
    FROM unnest($1::bigint[], $2::bigint[]) AS x (job, run_lease) WHERE a.job = x.job AND a.run_lease = x.run_lease
    """
