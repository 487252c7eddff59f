package import Foundation

/// The programs of this build, and where the repository lies.
package enum Programs {
    /// The repository's root.
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The folder of the build that the tests belong to: they lie beside the programs.
    package static var folder: URL {
        let arguments = CommandLine.arguments.map { URL(filePath: $0) }
        let candidates =
            arguments.map { $0.deletingLastPathComponent() }
            + ["release", "debug"].map { root.appending(path: ".build/\($0)") }
        let found = candidates.first { candidate in
            FileManager.default.isExecutableFile(atPath: candidate.appending(path: "janusd").path)
        }
        return found ?? root.appending(path: ".build/release")
    }

    package static var janusd: URL { folder.appending(path: "janusd") }
    package static var worker: URL { folder.appending(path: "janus-worker") }
    package static var model: URL { folder.appending(path: "janus-model") }
    /// A checkpoint with random weights, small enough for the repository.
    package static let tinyCheckpoint = root.appending(path: "Tests/Reference/tiny/hf")
}
