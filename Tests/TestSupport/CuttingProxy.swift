import Foundation
import Glibc
import Synchronization

/// A TCP proxy before a PostgreSQL server that can lose an acknowledgement: once armed, it passes the next COMMIT to
/// the server, waits for its answer, and cuts both connections without passing that on.
package final class CuttingProxy: Sendable {
    package let port: Int
    private let listener: Int32
    private let serverPort: Int
    private let isArmed = Atomic<Bool>(false)
    private let cuts = Atomic<Int>(0)

    package init(to serverPort: Int) throws {
        self.serverPort = serverPort
        (listener, port) = try Loopback.listen()
        let thread = Thread { [listener, weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                guard let self else {
                    close(client)
                    return
                }
                self.serve(client)
            }
        }
        thread.start()
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Cuts the connection that commits next.
    package func arm() { isArmed.store(true, ordering: .sequentiallyConsistent) }

    package var cutCount: Int { cuts.load(ordering: .sequentiallyConsistent) }

    private func serve(_ client: Int32) {
        guard let server = Loopback.connect(port: serverPort) else {
            close(client)
            return
        }
        let pair = Pair(client: client, server: server)
        Thread {
            pair.pump(from: client, to: server) { bytes in
                if bytes.contains(subsequence: Array("COMMIT".utf8)),
                    self.isArmed.exchange(false, ordering: .sequentiallyConsistent)
                {
                    pair.isCutting.store(true, ordering: .sequentiallyConsistent)
                }
                return true
            }
        }.start()
        Thread {
            pair.pump(from: server, to: client) { _ in
                guard pair.isCutting.load(ordering: .sequentiallyConsistent) else { return true }
                self.cuts.add(1, ordering: .sequentiallyConsistent)
                return false
            }
        }.start()
    }

    private final class Pair: Sendable {
        let client: Int32
        let server: Int32
        let isCutting = Atomic<Bool>(false)

        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }

        /// Both directions share it, so the last to end closes.
        deinit {
            close(client)
            close(server)
        }

        /// Copies until either side ends or `passes` says no; then ends both sides.
        func pump(from source: Int32, to target: Int32, passes: ([UInt8]) -> Bool) {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            copying: while true {
                let count = unsafe read(source, &buffer, buffer.count)
                guard count > 0, passes(Array(buffer[..<count])) else { break }
                var sent = 0
                while sent < count {
                    let more = unsafe buffer.withUnsafeBytes { bytes in
                        unsafe send(
                            target, bytes.baseAddress?.advanced(by: sent), count - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard more > 0 else { break copying }
                    sent += more
                }
            }
            shutdown(client, Int32(SHUT_RDWR))
            shutdown(server, Int32(SHUT_RDWR))
        }
    }
}

extension [UInt8] {
    fileprivate func contains(subsequence part: [UInt8]) -> Bool {
        guard count >= part.count else { return false }
        return (0...(count - part.count)).contains { Array(self[$0..<($0 + part.count)]) == part }
    }
}

/// Sockets on 127.0.0.1.
package enum Loopback {
    /// - Returns: a listening socket on a port that the system chose.
    static func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = makeSocket()
        guard let port = bound(descriptor), Glibc.listen(descriptor, 64) == 0 else {
            close(descriptor)
            throw TestPostgresError("no port can be listened on")
        }
        return (descriptor, port)
    }

    static func connect(port: Int) -> Int32? {
        let descriptor = makeSocket()
        var address = address(port)
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe Glibc.connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if connected { return descriptor }
        close(descriptor)
        return nil
    }

    /// A port that nobody uses at this moment.
    package static func freePort() throws -> Int {
        let descriptor = makeSocket()
        defer { close(descriptor) }
        guard let port = bound(descriptor) else { throw TestPostgresError("no port can be bound") }
        return port
    }

    private static func makeSocket() -> Int32 {
        socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return address
    }

    private static func bound(_ descriptor: Int32) -> Int? {
        var address = address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
            }
        }
        return isBound ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
