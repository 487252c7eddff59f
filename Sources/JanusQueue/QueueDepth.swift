import JanusPostgres

/// Load of one queue and model.
package struct QueueDepth: Sendable, Equatable {
    package var queue: String
    package var model: String?
    /// Due and not claimed.
    package var waiting: Int
    /// Due later.
    package var scheduled: Int
    package var running: Int
    package var oldestWaitingSeconds: Double
    package var isPaused: Bool
}

extension QueueDepth: CustomStringConvertible {
    package var description: String {
        let oldest = waiting > 0 ? ", the oldest for \(Int(oldestWaitingSeconds)) s" : ""
        let of = model.map { "queue \(queue), model \($0)" } ?? "queue \(queue)"
        return "\(of): \(waiting) waiting\(oldest), \(scheduled) scheduled, \(running) running"
            + (isPaused ? ", paused" : "")
    }
}

extension JobQueue {
    /// Load by queue and model.
    package func depth() async throws(QueueError) -> [QueueDepth] {
        let result = try await query("SELECT * FROM janus.queue_depth ORDER BY queue, model")
        return try decode { () throws(PostgresError) in
            try result.map { row throws(PostgresError) in
                QueueDepth(
                    queue: try row.text("queue"), model: try row.textIfAny("model"), waiting: try row.int("waiting"),
                    scheduled: try row.int("scheduled"), running: try row.int("running"),
                    oldestWaitingSeconds: try row.double("oldest_waiting_seconds"), isPaused: try row.bool("paused"))
            }
        }
    }
}
