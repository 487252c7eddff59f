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
        try await onThread { () throws(JobError) in try writeNow(data, to: components) }
    }

    /// Removes a file, what of it was not whole yet, and its folder when nothing else is in it; what is not there is no
    /// fault.
    func remove(_ components: [String]) async throws(JobError) {
        try await onThread { () throws(JobError) in try removeNow(components) }
    }

    /// Disks can take long, and the threads of Swift's tasks are few.
    private func onThread(_ work: @escaping @Sendable () throws(JobError) -> Void) async throws(JobError) {
        let result = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: Result { () throws(JobError) in try work() })
            }
        }
        try result.get()
    }

    private func removeNow(_ components: [String]) throws(JobError) {
        guard components.count >= 2 else { throw JobError(.internalError, "a file without a folder of its job") }
        let (folder, name) = (components[components.count - 2], components[components.count - 1])
        var parent = try Descriptor(unsafe Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root)
        for component in components.dropLast(2) {
            guard let next = try existing(component, in: parent) else { return }
            parent = next
        }
        guard let directory = try existing(folder, in: parent) else { return }
        for entry in [name, Self.temporary(name)] {
            if unsafe unlinkat(directory.number, entry, 0) < 0, errno != ENOENT { throw Self.error(entry, errno) }
        }
        if unsafe unlinkat(parent.number, folder, AT_REMOVEDIR) < 0, ![ENOENT, ENOTEMPTY, EEXIST].contains(errno) {
            throw Self.error(folder, errno)
        }
    }

    /// nil when there is none.
    private func existing(_ component: String, in directory: borrowing Descriptor) throws(JobError) -> Descriptor? {
        let number = unsafe openat(directory.number, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if number < 0, errno == ENOENT { return nil }
        return try Descriptor(number, component)
    }

    /// One claim writes a name once, so nobody else has this.
    private static func temporary(_ name: String) -> String { ".\(name).tmp" }

    private func writeNow(_ data: Data, to components: [String]) throws(JobError) {
        guard let name = components.last else { throw JobError(.internalError, "an upload without a name") }
        var directory = try Descriptor(unsafe Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), root)
        for component in components.dropLast() {
            if unsafe mkdirat(directory.number, component, Self.directoryMode) == 0 {
                try check(fsync(directory.number), component)
            } else if errno != EEXIST {
                throw Self.error(component, errno)
            }
            directory = try Descriptor(
                unsafe openat(directory.number, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), component)
        }
        let temporary = Self.temporary(name)
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
