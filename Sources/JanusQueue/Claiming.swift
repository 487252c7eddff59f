package import Foundation
package import JanusJob
import JanusPostgres

extension JobQueue {
    /// Claims up to `capacity` due jobs of a model, the most urgent first. Whoever calls it starts them at once.
    ///
    /// If the acknowledgement is lost the jobs are claimed and nobody knows: `releaseUnknown` puts them back.
    package func claim(model: String, queues: [String], capacity: Int) async throws(QueueError) -> [ClaimedJob] {
        guard capacity > 0 else { return [] }
        let result = try await query(
            claimSQL,
            [
                .text(model), .texts(queues), .int(capacity), .uuid(options.instance), .text(options.hostName),
                .double(options.leaseSeconds),
            ])
        return try decode { () throws(PostgresError) in try result.map(ClaimedJob.init(row:)) }
    }

    /// The pictures that came with the row, in their order.
    package func inlineImages(of job: JobRun) async throws(QueueError) -> [Data] {
        let result = try await query(
            "SELECT data FROM janus_private.input_image WHERE job = $1 ORDER BY index", [.int(job.job)])
        return try decode { () throws(PostgresError) in
            try result.map { row throws(PostgresError) in try row.bytes("data") }
        }
    }
}

/// One statement. Candidates come from one descent of the index a (queue, priority), without locks; then rows
/// are locked in order until there are enough, skipping those that another host is taking. Some candidates more than
/// needed are looked at, so that hosts that claim at one moment find something each.
private let claimSQL = """
    WITH candidate AS MATERIALIZED (
        SELECT c.id
        FROM unnest($2::text[]) AS q (queue)
        CROSS JOIN generate_series(0, 9) AS p (priority)
        CROSS JOIN LATERAL (
            SELECT j.id FROM janus_private.job j
            WHERE j.state = 'queued' AND j.model = $1 AND j.queue = q.queue AND j.priority = p.priority
                AND j.run_at <= now() AND (j.expires_at IS NULL OR j.expires_at > now())
            ORDER BY j.run_at, j.id
            LIMIT $3::int + 32
        ) AS c
        WHERE q.queue NOT IN (SELECT queue FROM janus_private.paused_queue)
    ), picked AS (
        SELECT j.id
        FROM candidate c JOIN janus_private.job j ON j.id = c.id
        WHERE j.state = 'queued' AND j.run_at <= now()
        ORDER BY j.priority, j.run_at, j.id
        LIMIT $3::int
        FOR UPDATE OF j SKIP LOCKED
    ), claimed AS (
        UPDATE janus_private.job j
        SET state = 'running', started_at = now(), attempts = j.attempts + 1, run_lease = j.run_lease + 1
        FROM picked WHERE j.id = picked.id
        RETURNING j.*
    ), leased AS (
        INSERT INTO janus_private.run (job, run_lease, claim_token, daemon, started_at, lease_seconds, lease_until, phase)
        SELECT c.id, c.run_lease, gen_random_uuid(), $4, now(), $6::float8, now() + make_interval(secs => $6::float8), 'preparing'
        FROM claimed c
        RETURNING job, claim_token
    ), recorded AS (
        INSERT INTO janus_private.attempt (job, run_lease, attempt, generation, claim_token, daemon, host, started_at)
        SELECT c.id, c.run_lease, c.attempts, c.generation, l.claim_token, $4, $5, now()
        FROM claimed c JOIN leased l ON l.job = c.id
    )
    SELECT c.id AS job, c.run_lease, l.claim_token, c.uuid, c.owner, c.model, c.attempts,
        extract(epoch FROM c.run_timeout)::float8 AS run_timeout, c.webhook_url, to_json(c.webhook_events) AS webhook_events,
        to_json(c.upload_to) AS upload_to, c.is_suspect,
        i.task || jsonb_build_object('kind', c.kind) AS task, to_json(i.image_urls) AS image_urls,
        i.inline_images
    FROM claimed c JOIN leased l ON l.job = c.id JOIN janus_private.input i ON i.job = c.id
    ORDER BY c.priority, c.run_at, c.id
    """
