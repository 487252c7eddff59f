package import JanusHTTP
package import JanusJob

/// Takes a run's objects to its sinks.
package struct Uploader: Sendable {
    private let client: HTTPClient
    private let policy: DeliveryPolicy

    package init(client: HTTPClient, policy: DeliveryPolicy) {
        self.client = client
        self.policy = policy
    }

    /// Judges the sinks before the work is done: what it refuses, `deliver` would refuse.
    ///
    /// - Parameter objectCount: how many objects the run will have; each needs its own exact URL if there is any.
    package func check(_ sinks: [String], objectCount: Int) throws(JobError) {
        throw JobError(.internalError, "not written yet")
    }

    /// Delivers every object to every sink, or fails as a whole.
    ///
    /// - Parameter sinks: as the row has them (`db:`, `file:///…`, `http(s)://…`); none means `db:`.
    /// - Throws: `uploadForbidden` (never retryable) or `uploadFailed`, after the tries inside the run.
    package func deliver(_ objects: [UploadObject], to sinks: [String]) async throws(JobError) -> UploadReceipt {
        throw JobError(.internalError, "not written yet")
    }
}
