import Foundation
import JanusSystem

/// A file mapped read-only. Its size is taken once; a file that someone shortens afterwards would end the process with
/// SIGBUS on the missing pages, so weights are replaced by renaming, never by writing over them.
@safe final class MappedFile {
    let path: String
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(TensorError) {
        self.path = path
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.unreadable(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.unreadable(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(file: path, reason: "it is no regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw .malformed(file: path, reason: "it is empty") }
        guard let address = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            unsafe address != MAP_FAILED
        else { throw Self.unreadable(path, errno) }
        unsafe bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        guard let address = unsafe bytes.baseAddress else { return }
        unsafe munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
    }

    private static func unreadable(_ path: String, _ code: Int32) -> TensorError {
        .unreadable(file: path, reason: String(errno: code))
    }
}
