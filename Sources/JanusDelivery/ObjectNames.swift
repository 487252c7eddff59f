package import Foundation
package import JanusJob

/// What a run's objects are called: no two claims ever write the same one.
package struct ObjectNames: Sendable {
    private let prefix: String

    package init(jobUUID: UUID, runLease: Int64) { prefix = "\(jobUUID.uuidString.lowercased())/\(runLease)" }

    /// `<job-uuid>/<run_lease>-<index>.<ext>`, the UUID in lower case.
    package subscript(_ output: JobOutput) -> String { "\(prefix)-\(output.index).\(output.format.fileExtension)" }
}
