import Foundation

/// Places in the repository.
package enum TestPaths {
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    package static var migrations: String { root + "/Migrations" }
    package static var bootstrap: String { root + "/Deploy/bootstrap.sql" }
}
