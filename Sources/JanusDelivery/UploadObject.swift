package import Foundation

/// One finished file of a run, named so that no two claims ever write the same object.
package struct UploadObject: Sendable {
    package var jobUUID: UUID
    package var runLease: Int64
    /// 0 for the first image.
    package var index: Int
    /// Without a dot.
    package var fileExtension: String
    package var mediaType: String
    package var data: Data
    /// Lower-case hexadecimal.
    package var sha256: String

    /// - Parameter sha256: nil computes it.
    package init(
        jobUUID: UUID, runLease: Int64, index: Int, fileExtension: String, mediaType: String, data: Data,
        sha256: String? = nil
    ) {
        self.jobUUID = jobUUID
        self.runLease = runLease
        self.index = index
        self.fileExtension = fileExtension
        self.mediaType = mediaType
        self.data = data
        self.sha256 = sha256 ?? sha256Hex(data)
    }

    /// `<job-uuid>/<run_lease>-<index>.<ext>`, the UUID in lower case.
    package var name: String { "\(jobUUID.uuidString.lowercased())/\(runLease)-\(index).\(fileExtension)" }
}

/// Where the objects of one run are now.
package struct UploadReceipt: Sendable, Equatable {
    /// For each object, in order, its places without query strings; `db:` is not among them.
    package var urls: [[String]]
    /// Whether `db:` is a sink (as it is when the job names none), so that the outputs' bytes belong in the finish.
    package var storesInDatabase: Bool

    package init(urls: [[String]], storesInDatabase: Bool) {
        self.urls = urls
        self.storesInDatabase = storesInDatabase
    }
}
