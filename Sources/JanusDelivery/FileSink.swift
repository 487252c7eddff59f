import Dispatch
import Foundation
import Glibc
import JanusJob
import JanusSystem

/// Writes objects below one directory, so that a file is either whole and durable or not there.
///
/// No link below the root is followed: whoever may write there cannot lead the daemon out.
struct FileSink: Sendable {
    /// Files are the daemon's to write and its group's to read.
    private static let fileMode: mode_t = 0o640
    private static let directoryMode: mode_t = 0o750

    /// Absolute; it exists.
    let root: String

    /// Writes `data` as `components` below the root; the last is the file's name, the others are made as needed.
    func write(_ data: Data, to components: [String]) async throws(JobError) {
        // fsync can take long, and the threads of Swift's tasks are few
        let result = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result { () throws(JobError) in try writeNow(data, to: components) })
            }
        }
        try result.get()
    }

    private func writeNow(_ data: Data, to components: [String]) throws(JobError) {
        guard let name = components.last else { throw JobError(.internalError, "an upload without a name") }
        var directory = try Descriptor(unsafe open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root)
        for component in components.dropLast() {
            if unsafe mkdirat(directory.number, component, Self.directoryMode) == 0 {
                try check(fsync(directory.number), component)
            } else if errno != EEXIST {
                throw Self.error(component, errno)
            }
            directory = try Descriptor(
                unsafe openat(directory.number, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), component)
        }
        let temporary = ".\(name).\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
        do {
            try create(temporary, in: directory.number, data)
            try check(unsafe renameat(directory.number, temporary, directory.number, name), name)
        } catch {
            _ = unsafe unlinkat(directory.number, temporary, 0)
            throw error
        }
        try check(fsync(directory.number), name)
    }

    private func create(_ name: String, in directory: Int32, _ data: Data) throws(JobError) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let file = try Descriptor(unsafe openat(directory, name, flags, Self.fileMode), name)
        var written = 0
        while written < data.count {
            let count = unsafe data.withUnsafeBytes { bytes in
                unsafe Glibc.write(file.number, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
            }
            if count < 0, errno == EINTR { continue }
            try check(Int32(clamping: count), name)
            written += count
        }
        try check(fsync(file.number), name)
    }

    private func check(_ result: Int32, _ what: String) throws(JobError) {
        if result < 0 { throw Self.error(what, errno) }
    }

    /// A link or a file where a directory should be, or a place that is not ours, stays so; a full disk may not.
    fileprivate static func error(_ what: String, _ number: Int32) -> JobError {
        let reason = String(errno: number)
        return switch number {
        case ELOOP, ENOTDIR, EISDIR, EACCES, EPERM, EROFS:
            JobError(.uploadForbidden, "file sink: '\(what)': \(reason)")
        default:
            JobError(.uploadFailed, "file sink: '\(what)': \(reason)")
        }
    }
}

/// An open file descriptor.
private struct Descriptor: ~Copyable {
    let number: Int32

    /// - Parameter number: what an `open` returned.
    init(_ number: Int32, _ what: String) throws(JobError) {
        let failure = errno
        self.number = number
        if number < 0 { throw FileSink.error(what, failure) }
    }

    // the data is durable by fsync before; closing has nothing left to report
    deinit { _ = close(number) }
}
