import Foundation
import JanusSystem

/// A file in the making under a temporary name beside its own, `NAME.PID.partial`. It is locked as long as it is written,
/// so that what a dead process left behind can be told from what a living one is at, and removed.
struct PartialFile: ~Copyable {
    static let suffix = ".partial"

    let descriptor: Int32
    private let path: String
    private let temporary: String
    private var isNamed = false

    /// - Throws: `unwritable` when the directory does not take files.
    init(path: String) throws(TensorError) {
        self.path = path
        temporary = "\(path).\(getpid())\(Self.suffix)"
        Self.removeLeftovers(of: path)
        while true {
            let opened = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            guard opened >= 0 else { throw .unwritable(file: path, reason: String(errno: errno)) }
            // another process may take it for a leftover until it is locked
            var status = stat()
            if flock(opened, LOCK_EX | LOCK_NB) == 0, unsafe fstat(opened, &status) == 0, status.st_nlink > 0 {
                descriptor = opened
                return
            }
            close(opened)
        }
    }

    deinit {
        if !isNamed { unsafe unlink(temporary) }
        close(descriptor)
    }

    /// Makes the content durable, then gives it its name in one step, replacing what had it.
    mutating func takeName() throws(TensorError) {
        guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else {
            throw .unwritable(file: path, reason: String(errno: errno))
        }
        isNamed = true
        // the name too must outlive a power cut
        let directory = unsafe open(Self.directory(of: path), O_RDONLY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }

    /// Removes what dead processes left of `path`.
    private static func removeLeftovers(of path: String) {
        removeLeftovers(in: directory(of: path), start: URL(filePath: path).lastPathComponent + ".")
    }

    /// - Parameter start: of the names to look at.
    static func removeLeftovers(in folder: String, start: String) {
        // a directory that cannot be listed is found out by whoever writes to it
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix(start) && name.hasSuffix(suffix) {
            let leftover = folder + "/" + name
            let descriptor = unsafe open(leftover, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else { continue }
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { unsafe unlink(leftover) }
            close(descriptor)
        }
    }

    private static func directory(of path: String) -> String {
        URL(filePath: path).deletingLastPathComponent().path
    }
}
