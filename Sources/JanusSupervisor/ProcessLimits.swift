import CProcess
import Foundation
import JanusSystem

/// What the kernel lets this process have.
package struct ProcessLimits: Sendable, Equatable {
    package var descriptors: Int
    /// Threads and processes of the control group, systemd's TasksMax; nil without such a limit.
    package var tasks: Int?

    package init(descriptors: Int, tasks: Int?) {
        self.descriptors = descriptors
        self.tasks = tasks
    }

    /// More than all settings at their greatest use.
    private static let descriptorsWish = 16_384

    /// Raises the soft limit of descriptors as far as the hard one and our use go.
    /// - Throws: `limits` when the kernel does not tell.
    static func raised() throws(SupervisorError) -> ProcessLimits {
        let descriptors = janus_raise_descriptors(descriptorsWish)
        guard descriptors > 0 else {
            throw .limits(reason: "RLIMIT_NOFILE: \(String(errno: Int32(clamping: -descriptors)))")
        }
        return ProcessLimits(descriptors: descriptors, tasks: tasks(groups: text(of: "/proc/self/cgroup") ?? "", text))
    }

    /// The least pids.max of the process's control groups and those above them, as far as they are seen from here.
    /// - Parameters:
    ///   - groups: the content of /proc/self/cgroup.
    ///   - read: the content of a file; nil when it is not there, which is no limit.
    package static func tasks(groups: String, _ read: (String) -> String?) -> Int? {
        var least: Int?
        // number:controllers:/path, in version 2 of control groups without controllers
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isOfPids = parts[1].split(separator: ",").contains("pids")
            guard parts[1].isEmpty || isOfPids else { continue }
            let home = isOfPids ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup"
            var folders = parts[2].split(separator: "/")
            while true {
                let file = ([home] + folders.map(String.init) + ["pids.max"]).joined(separator: "/")
                let limit = read(file).flatMap { Int($0.trimmingCharacters(in: .newlines)) }
                if let limit { least = min(limit, least ?? limit) }
                if folders.popLast() == nil { break }
            }
        }
        return least
    }

    private static func text(of file: String) -> String? {
        do { return try String(contentsOfFile: file, encoding: .utf8) } catch { return nil }
    }
}
