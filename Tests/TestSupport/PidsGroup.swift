import Foundation

/// A control group with a bound of threads and processes, as systemd's TasksMax makes one; `remove` ends it.
package final class PidsGroup: Sendable {
    private static let home = "/sys/fs/cgroup/pids"

    /// Whether this machine has the controller where tests can use it: version 1 of control groups, and root.
    package static var isAvailable: Bool { FileManager.default.isWritableFile(atPath: home + "/cgroup.procs") }

    private let folder: String

    package init(most: Int) throws {
        folder = "\(Self.home)/janusd-test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        try Data("\(most)".utf8).write(to: URL(filePath: folder + "/pids.max"))
    }

    /// Whoever writes its process id there is in it.
    package var processes: String { folder + "/cgroup.procs" }

    /// How often the bound was hit.
    package var refusals: Int {
        get throws {
            let events = try String(contentsOfFile: folder + "/pids.events", encoding: .utf8)
            return events.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) } ?? 0
        }
    }

    /// Waits until nobody is in it any more.
    package func remove() async throws {
        try await waitUntil("the end of all in \(folder)") { unsafe rmdir(self.folder) == 0 }
    }
}
