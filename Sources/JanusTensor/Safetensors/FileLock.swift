import Foundation
import JanusSystem

/// The lock of one open file, shared by all processes that open it; the kernel frees it when its holder ends, however
/// that happens.
package struct FileLock: ~Copyable {
    private let descriptor: Int32

    /// Opens (or makes) the file and waits until nobody else holds it.
    /// - Parameter waiting: told once when somebody does.
    package init(path: String, waiting: () -> Void) throws(TensorError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .unwritable(file: path, reason: String(errno: errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return }
        waiting()
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .unwritable(file: path, reason: String(errno: errno)) }
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }
}
