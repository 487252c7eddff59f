import Foundation
import JanusJob
import JanusPostgres

extension ClaimedJob {
    /// A task that cannot be read is that job's misfortune, and no other's of the same claim.
    init(row: PostgresRow, model: String) throws(PostgresError) {
        let json = Data(try row.text("task").utf8)
        self.init(
            run: try JobRun(row), claimToken: try row.uuid("claim_token"), uuid: try row.uuid("uuid"),
            owner: try row.text("owner"), model: model,
            task: Result { () throws(JobError) in try JobTask(json: json) },
            attempt: try row.int("attempts"),
            runTimeoutSeconds: try row.double("run_timeout"), imageURLs: try row.json("image_urls", as: [String].self),
            inlineImageCount: try row.int("inline_images"), uploadTo: try row.json("upload_to", as: [String].self),
            webhookURL: try row.textIfAny("webhook_url"),
            webhookEvents: try row.json("webhook_events", as: Set<String>.self), isSuspect: try row.bool("is_suspect"))
    }
}
