package import Foundation
package import JanusJob
import JanusPostgres

/// What one claim of the outbox asks for.
package struct WebhookClaim: Sendable {
    /// Webhooks in all.
    package var limit: Int
    /// Webhooks of one owner, those under way included.
    package var perOwner: Int
    /// Under way, by owner.
    package var inFlight: [String: Int]
    /// Owners that are looked at.
    package var ownersMax: Int
    /// Begins behind this owner: what the claim before said.
    package var after: String?
    /// If this host dies, another calls then.
    package var retryAfterSeconds: Double

    package init(
        limit: Int, perOwner: Int = .max, inFlight: [String: Int] = [:], ownersMax: Int = 64, after: String? = nil,
        retryAfterSeconds: Double = 60
    ) {
        self.limit = limit
        self.perOwner = perOwner
        self.inFlight = inFlight
        self.ownersMax = ownersMax
        self.after = after
        self.retryAfterSeconds = retryAfterSeconds
    }
}

/// What a claim of the outbox took.
package struct WebhookBatch: Sendable {
    package var webhooks: [DueWebhook]
    /// Where the next claim goes on; nil behind the last owner.
    package var cursor: String?
}

extension JobQueue {
    /// Takes due webhooks, of each owner the one that waits the longest, then the second, and so on. Taking moves the next
    /// attempt, so no other host calls meanwhile; a call is charged when its end is recorded.
    ///
    /// It reads as many rows as it may look at owners and take, however many wait.
    package func claimWebhooks(_ claim: WebhookClaim) async throws(QueueError) -> WebhookBatch {
        let result = try await query(
            claimWebhooksSQL,
            [
                .int(claim.limit), .double(claim.retryAfterSeconds), .text(claim.after ?? "0"), .int(claim.ownersMax),
                .int(min(claim.perOwner, claim.limit)), .texts(Array(claim.inFlight.keys)),
                .ints(claim.inFlight.values.map { Int64($0) }),
            ])
        return try decode { () throws(PostgresError) in
            var batch = WebhookBatch(webhooks: [], cursor: nil)
            for row in result.rows {
                if try row.int("visited") >= claim.ownersMax { batch.cursor = try row.textIfAny("last_owner") }
                guard let id = try row.intIfAny("id") else { continue }
                batch.webhooks.append(
                    DueWebhook(
                        id: id, owner: try row.text("owner"),
                        message: WebhookMessage(
                            id: try row.text("message_id"), url: try row.text("url"),
                            body: Data(try row.text("body").utf8), secrets: try row.json("secrets", as: [Data].self)),
                        attempt: try row.int("attempt"), takenUntil: try row.int64("taken_until")))
            }
            return batch
        }
    }

    /// Gives back what is not called now, uncharged.
    package func postponeWebhooks(_ webhooks: [(webhook: DueWebhook, afterSeconds: Double)]) async throws(QueueError) {
        try await query(
            postponeWebhooksSQL,
            [
                .ints(webhooks.map { $0.webhook.id }), .ints(webhooks.map { $0.webhook.takenUntil }),
                .texts(webhooks.map { "\($0.afterSeconds)" }),
            ])
    }

    /// Notes how a call ended, unless somebody else took the webhook or asked for it anew meanwhile.
    /// - Returns: false when a client has locked the row; waiting for it could last for ever.
    package func recordWebhook(_ webhook: DueWebhook, _ result: WebhookResult) async throws(QueueError) -> Bool {
        let (state, status, error, seconds): (String, Int?, String?, Double) =
            switch result {
            case .delivered(let status): ("delivered", status, nil, 0)
            case .retry(let status, let error, let seconds): ("pending", status, error, seconds)
            case .abandoned(let status, let error): ("abandoned", status, error, 0)
            }
        let written = try await query(
            recordWebhookSQL,
            [
                .int(webhook.id), .int(webhook.takenUntil), .text(state), .int(orNull: status), .text(orNull: error),
                .double(seconds),
            ])
        return try decode { () throws(PostgresError) in try written.row.bool("is_over") }
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

/// As everywhere in the daemon: without quotes, or the number of a role that is gone.
private func nameOf(_ owner: String) -> String {
    "coalesce((SELECT r.rolname::text FROM pg_roles r WHERE r.oid = \(owner)), (\(owner))::text)"
}

/// A webhook that is taken: nobody else took it since, and no client asked for it anew. In microseconds, which are exact.
private let takenUntil = "(extract(epoch FROM d.next_attempt_at) * 1000000)::bigint"

/// `lane` steps from owner to owner along the index: none that waits with many rows is read beyond what is taken of it.
private let claimWebhooksSQL = """
    WITH RECURSIVE lane (owner, visit) AS (
        (SELECT d.owner::oid, 1 FROM janus_private.webhook_delivery d
        WHERE d.state = 'pending' AND d.owner::oid > $3::oid ORDER BY d.owner::oid LIMIT 1)
        UNION ALL
        SELECT (SELECT d.owner::oid FROM janus_private.webhook_delivery d
            WHERE d.state = 'pending' AND d.owner::oid > l.owner ORDER BY d.owner::oid LIMIT 1), l.visit + 1
        FROM lane l WHERE l.owner IS NOT NULL AND l.visit < $4::int
    ), due AS (
        SELECT x.id, x.place
        FROM lane l
        LEFT JOIN unnest($6::text[], $7::int[]) AS f (owner, count) ON f.owner = \(nameOf("l.owner"))
        CROSS JOIN LATERAL (
            SELECT d.id, row_number() OVER (ORDER BY d.next_attempt_at, d.id) AS place
            FROM janus_private.webhook_delivery d
            WHERE d.state = 'pending' AND d.owner::oid = l.owner AND d.next_attempt_at <= now()
            ORDER BY d.next_attempt_at, d.id
            LIMIT greatest($5::int - coalesce(f.count, 0), 0)) AS x
        WHERE l.owner IS NOT NULL
    ), picked AS (
        SELECT d.id
        FROM due JOIN janus_private.webhook_delivery d ON d.id = due.id
        WHERE d.state = 'pending' AND d.next_attempt_at <= now()
        ORDER BY due.place, d.next_attempt_at, d.id
        LIMIT $1::int
        FOR UPDATE OF d SKIP LOCKED
    ), taken AS (
        UPDATE janus_private.webhook_delivery d SET next_attempt_at = now() + make_interval(secs => $2::float8)
        FROM picked WHERE d.id = picked.id
        RETURNING d.id, \(nameOf("d.owner::oid")) AS owner, d.message_id, d.url, d.body, d.attempts + 1 AS attempt, \(takenUntil) AS taken_until,
            \(secretsOf("d.owner")) AS secrets
    )
    SELECT v.visited, v.last_owner, t.*
    FROM (
        SELECT count(l.owner) AS visited, (array_agg(l.owner::text ORDER BY l.visit DESC) FILTER (WHERE l.owner IS NOT NULL))[1] AS last_owner
        FROM lane l) AS v
    LEFT JOIN taken t ON true
    """

private let postponeWebhooksSQL = """
    UPDATE janus_private.webhook_delivery d SET next_attempt_at = now() + make_interval(secs => x.seconds)
    FROM (
        SELECT d.id, x.seconds
        FROM unnest($1::bigint[], $2::bigint[], $3::float8[]) AS x (id, taken_until, seconds)
        JOIN janus_private.webhook_delivery d ON d.id = x.id
        WHERE d.state = 'pending' AND \(takenUntil) = x.taken_until
        ORDER BY d.id FOR UPDATE OF d SKIP LOCKED) AS x
    WHERE d.id = x.id
    """

private let recordWebhookSQL = """
    WITH mine AS MATERIALIZED (
        SELECT d.id FROM janus_private.webhook_delivery d
        WHERE d.id = $1 AND d.state = 'pending' AND \(takenUntil) = $2::bigint
        FOR UPDATE SKIP LOCKED
    ), written AS (
        UPDATE janus_private.webhook_delivery d
        SET state = $3, attempts = d.attempts + 1, last_status = $4::int, last_error = left($5, 2000),
            finished_at = CASE WHEN $3 <> 'pending' THEN now() END,
            next_attempt_at = now() + make_interval(secs => $6::float8)
        FROM mine WHERE d.id = mine.id
        RETURNING d.id
    )
    SELECT EXISTS (SELECT FROM written) OR NOT EXISTS (
        SELECT FROM janus_private.webhook_delivery d
        WHERE d.id = $1 AND d.state = 'pending' AND \(takenUntil) = $2::bigint) AS is_over
    """

private let eventBodySQL = """
    SELECT janus_private.event_body(j.id, $3) AS body FROM janus_private.job j
    WHERE j.id = $1 AND j.run_lease = $2 AND j.state = 'running'
    """
