package import Foundation

/// A program that serves while a test runs: its log, its children, its end.
package final class DaemonProcess: Sendable {
    private let process: TestProcess
    package var pid: Int32 { process.pid }

    /// - Parameter environment: the whole of it, but PATH.
    package init(_ program: URL, _ arguments: [String], environment: [String: String]) throws {
        process = try TestProcess(program, arguments, environment: environment, joinsErrors: true)
    }

    /// Everything it wrote so far.
    package var log: String { process.output }

    package var isRunning: Bool { process.isRunning }

    package func signal(_ number: Int32) { process.signal(number) }

    /// Waits for a text in its log.
    package func waitForLog(_ text: String, within seconds: Double = 60) async throws {
        try await waitUntil("'\(text)' in the log", seconds: seconds) { self.log.contains(text) || !self.isRunning }
        guard log.contains(text) else { throw WaitingError("it ended without saying '\(text)':\n\(log)") }
    }

    /// Waits for its end.
    /// - Returns: the exit status, or minus the signal's number.
    package func waitForExit(within seconds: Double = 60) async throws -> Int32 {
        try await waitUntil("the end of process \(pid)", seconds: seconds) { self.process.isOver }
        return try process.waitForExit()
    }

    /// Its child processes.
    package var children: [Int32] {
        // children belong to the thread that forked them
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let all = threads.flatMap { thread in
            ((try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/children", encoding: .utf8)) ?? "")
                .split(separator: " ").compactMap { Int32($0) }
        }
        return all.sorted()
    }
}
