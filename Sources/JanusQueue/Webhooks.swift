package import Foundation
package import JanusJob
import JanusPostgres

extension JobQueue {
    /// Takes due deliveries by moving their next attempt: if this host dies, another calls after `retryAfterSeconds`.
    package func claimWebhooks(limit: Int, retryAfterSeconds: Double) async throws(QueueError) -> [DueWebhook] {
        let result = try await query(claimWebhooksSQL, [.int(limit), .double(retryAfterSeconds)])
        return try decode { () throws(PostgresError) in
            try result.map { row throws(PostgresError) in
                DueWebhook(
                    id: try row.int64("id"),
                    message: WebhookMessage(
                        id: try row.text("message_id"), url: try row.text("url"),
                        body: Data(try row.text("body").utf8), secrets: try row.json("secrets", as: [Data].self)),
                    attempt: try row.int("attempts"))
            }
        }
    }

    /// Notes how a call ended. A delivery that succeeded stays so.
    package func recordWebhook(_ id: Int64, _ result: WebhookResult) async throws(QueueError) {
        switch result {
        case .delivered(let status):
            try await query(webhookDeliveredSQL, [.int(id), .int(status)])
        case .retry(let status, let error, let seconds):
            try await query(webhookRetrySQL, [.int(id), .int(orNull: status), .text(error), .double(seconds)])
        case .abandoned(let status, let error):
            try await query(webhookAbandonedSQL, [.int(id), .int(orNull: status), .text(error)])
        }
    }

    /// All active secrets of a role, the current one first.
    package func webhookSecrets(owner: String) async throws(QueueError) -> [Data] {
        let result = try await query(
            "SELECT \(secretsOf("(SELECT r.oid FROM pg_roles r WHERE r.rolname = $1)")) AS secrets", [.text(owner)])
        return try decode { () throws(PostgresError) in try result.row.json("secrets", as: [Data].self) }
    }

    /// The body of a best-effort event.
    /// - Parameter type: without `job.`: started or progress.
    /// - Returns: nil once the run is over, as then the event has nothing to say.
    package func eventBody(_ run: JobRun, type: String) async throws(QueueError) -> Data? {
        let result = try await query(eventBodySQL, [.int(run.job), .int(run.runLease), .text(type)])
        return try decode { () throws(PostgresError) in Data(try result.rows.first?.text("body").utf8 ?? "".utf8) }
            .nilIfEmpty
    }
}

extension Data {
    fileprivate var nilIfEmpty: Data? { isEmpty ? nil : self }
}

/// As JSON: base64 without line breaks.
private func secretsOf(_ owner: String) -> String {
    """
    coalesce((
        SELECT json_agg(encode(s.secret, 'base64') ORDER BY s.expires_at DESC NULLS FIRST, s.id DESC)
        FROM janus_private.webhook_secret s
        WHERE s.owner = \(owner) AND (s.expires_at IS NULL OR s.expires_at > now())), '[]')
    """
}

private let claimWebhooksSQL = """
    UPDATE janus_private.webhook_delivery d
    SET attempts = d.attempts + 1, next_attempt_at = now() + make_interval(secs => $2::float8)
    WHERE d.id IN (
        SELECT x.id FROM janus_private.webhook_delivery x
        WHERE x.state = 'pending' AND x.next_attempt_at <= now()
        ORDER BY x.next_attempt_at, x.id LIMIT $1::int FOR UPDATE SKIP LOCKED)
    RETURNING d.id, d.message_id, d.url, d.body, d.attempts, \(secretsOf("d.owner")) AS secrets
    """

private let webhookDeliveredSQL = """
    UPDATE janus_private.webhook_delivery
    SET state = 'delivered', finished_at = now(), last_status = $2, last_error = NULL WHERE id = $1
    """

private let webhookRetrySQL = """
    UPDATE janus_private.webhook_delivery
    SET next_attempt_at = now() + make_interval(secs => $4::float8), last_status = $2, last_error = left($3, 2000)
    WHERE id = $1 AND state = 'pending'
    """

private let webhookAbandonedSQL = """
    UPDATE janus_private.webhook_delivery
    SET state = 'abandoned', finished_at = now(), last_status = $2, last_error = left($3, 2000)
    WHERE id = $1 AND state = 'pending'
    """

private let eventBodySQL = """
    SELECT janus_private.event_body(j.id, $3) AS body FROM janus_private.job j
    WHERE j.id = $1 AND j.run_lease = $2 AND j.state = 'running'
    """
