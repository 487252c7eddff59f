import Foundation
import JanusSystem
import JanusWire
import Synchronization

/// The socket to the supervisor: reads for one thread, writes for any.
final class Connection: Sendable {
    private static let chunkBytes = 1 << 16
    private let socket: Int32
    /// Frames must not interleave.
    private let writing = Mutex<Void>(())

    init(socket: Int32) {
        self.socket = socket
        // Reads and writes here wait; the supervisor's end has flags of its own.
        let flags = fcntl(socket, F_GETFL)
        if flags >= 0 { _ = fcntl(socket, F_SETFL, flags & ~O_NONBLOCK) }
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
    }

    /// What came in next; empty at the end of the stream. Ends the process when the socket fails.
    func read() -> Data {
        var buffer = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            let count = unsafe Foundation.read(socket, &buffer, buffer.count)
            if count >= 0 { return Data(buffer.prefix(count)) }
            if errno == EINTR { continue }
            if errno == ECONNRESET { return Data() }
            WorkerExit.socketFailed.end("cannot read from the socket: \(String(errno: errno))")
        }
    }

    /// Ends the process when nobody listens any more.
    func send(_ message: WorkerMessage) {
        let bytes: Data
        do throws(WireError) {
            bytes = try message.encoded()
        } catch {
            WorkerExit.socketFailed.end("cannot encode a message: \(error.description)")
        }
        writing.withLock { _ in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = unsafe rest.withUnsafeBytes { unsafe write(socket, $0.baseAddress, $0.count) }
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno != EINTR {
                    if errno == EPIPE || errno == ECONNRESET { WorkerExit.done.end() }
                    WorkerExit.socketFailed.end("cannot write to the socket: \(String(errno: errno))")
                }
            }
        }
    }
}
