package import Foundation
package import JanusJob
import JanusPostgres

/// How often a claim that found an owner being served by somebody else looks again, and after how long.
private let contendedTriesMax = 4
private let contendedMilliseconds = 5...25

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
                    .text(model), .texts(queues), .int(capacity), .texts(excludedOwners), .uuid(options.instance),
                    .text(options.hostName), .double(options.leaseSeconds),
                ])
            let rows = result.rows
            // A row without a job: somebody else is serving an owner at this moment, so there may be jobs in the next.
            let isContended = try decode { () throws(PostgresError) in
                try rows.first.map { row throws(PostgresError) in
                    try row.intIfAny("job") == nil
                } ?? false
            }
            guard isContended else {
                return try decode { () throws(PostgresError) in
                    try result.map { row throws(PostgresError) in try ClaimedJob(row: row, model: model) }
                }
            }
            if tries == contendedTriesMax { break }
            // Cancelled: the caller looks whether it goes on.
            do { try await Task.sleep(for: .milliseconds(Int.random(in: contendedMilliseconds))) } catch { break }
        }
        return []
    }

    /// Takes to their lanes the jobs that came while no claim did, so that a claim after a long time has little to do.
    package func digestArrivals() async throws(QueueError) {
        try await query("SELECT janus_private.digest()")
    }

    /// Removes some of the lanes that nobody needs any more.
    /// - Returns: how many.
    package func tidyLanes() async throws(QueueError) -> Int {
        let result = try await query("SELECT janus_private.tidy_lanes() AS removed")
        return try decode { () throws(PostgresError) in try result.row.int("removed") }
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
