import Foundation
import JanusJob
import JanusPostgres

extension JobQueue {
    /// The heartbeat: extends the lease of every run reported and of this daemon, stores progress, and says which runs
    /// are lost or shall be canceled. One statement; it waits for no lock that a client can hold.
    package func renew(_ reports: [RunReport]) async throws(QueueError) -> RenewReply {
        let result = try await query(
            renewSQL,
            [
                .uuid(options.instance), .ints(reports.map(\.run.job)), .uuids(reports.map(\.claimToken)),
                .texts(reports.map(\.progress.phase.rawValue)), .ints(reports.map { Int64($0.progress.stepsDone) }),
                .ints(reports.map { Int64($0.progress.stepsTotal) }),
            ])
        return try decode { () throws(PostgresError) in
            var held: Set<JobRun> = []
            var canceled: [JobRun] = []
            for row in result.rows where try row.intIfAny("job") != nil {
                let run = try JobRun(row)
                held.insert(run)
                if try row.bool("cancel_requested") { canceled.append(run) }
            }
            guard let first = result.rows.first else { throw .unexpectedResult("a renewal without a time") }
            return RenewReply(
                lost: reports.map(\.run).filter { !held.contains($0) }, cancelRequested: canceled,
                serverNow: try first.date("now"), serverAgeSeconds: try first.double("server_age"))
        }
    }

}

/// `run` is written by daemons only, and `job` is read without locks.
private let renewSQL = """
    WITH daemon AS (
        UPDATE janus_private.daemon SET seen_at = now() WHERE instance = $1
    ), renewed AS (
        UPDATE janus_private.run r
        SET lease_until = now() + make_interval(secs => r.lease_seconds), phase = x.phase, steps_done = x.done, steps_total = x.total
        FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::int[]) AS x (job, claim_token, phase, done, total)
        WHERE r.job = x.job AND r.claim_token = x.claim_token
        RETURNING r.job, r.run_lease
    )
    SELECT extract(epoch FROM now())::float8 AS now, extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS server_age,
        r.job, r.run_lease, r.cancel_requested
    FROM (VALUES (1)) AS one
    LEFT JOIN (
        SELECT n.job, n.run_lease, janus_private.is_cancel_requested(j.id, j.generation) AS cancel_requested
        FROM renewed n JOIN janus_private.job j ON j.id = n.job
    ) AS r ON true
    """
