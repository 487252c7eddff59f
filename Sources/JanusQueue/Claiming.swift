package import Foundation
package import JanusJob
import JanusPostgres

/// Jobs of one claim at most, whatever workers say that they take.
private let claimJobsMax = 1024
/// How often a claim that found nothing and did not look at everything goes on, and after how long.
private let claimTriesMax = 16
private let claimPauseMilliseconds = 2...20

extension JobQueue {
    /// Claims up to `capacity` due jobs of a model: the most urgent first, and owners in turn, as `janus_private.claim`
    /// says. Whoever calls it starts them at once.
    ///
    /// If the acknowledgement is lost the jobs are claimed and nobody knows: `releaseUnknown` puts them back.
    /// - Parameter excludedOwners: names of roles whose jobs are left where they are.
    package func claim(model: String, queues: [String], capacity: Int, excludedOwners: [String] = [])
        async throws(QueueError) -> [ClaimedJob]
    {
        guard capacity > 0 else { return [] }
        for tries in 1... {
            let result = try await query(
                "SELECT * FROM janus_private.claim($1, $2::text[], $3::int, $4::text[], $5, $6, $7::float8)",
                [
                    .text(model), .texts(queues), .int(min(capacity, claimJobsMax)), .texts(excludedOwners),
                    .uuid(options.instance), .text(options.hostName), .double(options.leaseSeconds),
                ])
            let rows = result.rows
            // A row without a job: not everything was looked at, so there may be jobs in the next.
            let isUnfinished = try decode { () throws(PostgresError) in
                try rows.first.map { row throws(PostgresError) in
                    try row.intIfAny("job") == nil
                } ?? false
            }
            guard isUnfinished else {
                return try decode { () throws(PostgresError) in
                    try result.map { row throws(PostgresError) in try ClaimedJob(row: row, model: model) }
                }
            }
            if tries == claimTriesMax { break }
            // Cancelled: the caller looks whether it goes on.
            do { try await Task.sleep(for: .milliseconds(Int.random(in: claimPauseMilliseconds))) } catch { break }
        }
        return []
    }

    /// Takes to their lanes the jobs that came while no claim did, so that a claim after a long time has little to do.
    /// - Returns: how many arrivals and sleeping lanes it saw to.
    package func digestArrivals(models: [String], queues: [String]) async throws(QueueError) -> Int {
        var total = 0
        for model in models {
            while !Task.isCancelled {
                let result = try await query(
                    "SELECT taken FROM janus_private.digest($1, $2::text[])", [.text(model), .texts(queues)])
                let taken = try decode { () throws(PostgresError) in try result.row.int("taken") }
                if taken == 0 { break }
                total += taken
            }
        }
        return total
    }

    /// Removes the lanes that nobody needs any more.
    /// - Returns: how many.
    package func tidyLanes() async throws(QueueError) -> Int {
        var total = 0
        while !Task.isCancelled {
            let result = try await query("SELECT * FROM janus_private.tidy_lanes()")
            let (removed, isUnfinished) = try decode { () throws(PostgresError) in
                (try result.row.int("removed"), try result.row.bool("is_unfinished"))
            }
            total += removed
            if !isUnfinished { break }
        }
        return total
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
