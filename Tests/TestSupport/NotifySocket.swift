import Foundation

/// The service manager's end of NOTIFY_SOCKET: what a daemon tells it, in order.
package final class NotifySocket: Sendable {
    package let path: String
    private let process: TestProcess
    private let folder: URL

    package init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "notify-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.appending(path: "socket").path
        let script = """
            import socket, sys
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(sys.argv[1])
            print("bound", flush=True)
            while True:
                print(manager.recv(65536).decode().replace("\\n", "|"), flush=True)
            """
        process = try TestProcess(URL(filePath: "/usr/bin/env"), ["python3", "-c", script, path])
        try process.wait("its socket", within: TestProcess.secondsMax) { output, _ in !output.isEmpty }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Datagrams so far; a line's end within one is `|`.
    package var messages: [String] { process.output.split(separator: "\n").dropFirst().map(String.init) }

    /// Waits for a datagram that begins so.
    /// - Parameter count: of so many.
    package func wait(for beginning: String, count: Int = 1, within seconds: Double = 60) async throws {
        do {
            try await waitUntil("'\(beginning)'", seconds: seconds) {
                messages.count { $0.hasPrefix(beginning) } >= count
            }
        } catch { throw WaitingError("\(error): \(messages)") }
    }

    /// Waits for a status line that contains this.
    package func wait(forStatus part: String, within seconds: Double = 60) async throws {
        do {
            try await waitUntil("a status with '\(part)'", seconds: seconds) {
                messages.contains { $0.hasPrefix("STATUS=") && $0.contains(part) }
            }
        } catch { throw WaitingError("\(error): \(messages)") }
    }
}
