package import Foundation
import Synchronization

/// A real program started by a test: its log is kept, signals reach it, and it ends with this object.
package final class DaemonProcess: Sendable {
    private let process: Mutex<Process>
    private let collected = Collected()
    package let pid: Int32

    /// - Parameter environment: the whole of it, but PATH.
    package init(_ program: URL, _ arguments: [String], environment: [String: String]) throws {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.environment = environment.merging(["PATH": "/usr/bin:/bin"]) { given, _ in given }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        pid = process.processIdentifier
        self.process = Mutex(process)
        // a thread instead of a readability handler, whose dispatch source may outlive the descriptor
        let reader = Thread { [collected] in
            while true {
                let data = pipe.fileHandleForReading.availableData
                guard !data.isEmpty else { return }
                collected.text.withLock { $0 += String(decoding: data, as: UTF8.self) }
            }
        }
        reader.start()
    }

    deinit {
        // a stopped process must go too
        kill(pid, SIGKILL)
    }

    /// Everything it wrote so far.
    package var log: String { collected.text.withLock { $0 } }

    package var isRunning: Bool { process.withLock { $0.isRunning } }

    package func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for a text in its log.
    package func waitForLog(_ text: String, within seconds: Double = 60) async throws {
        try await waitUntil("'\(text)' in the log", seconds: seconds) { self.log.contains(text) || !self.isRunning }
        guard log.contains(text) else { throw WaitingError("it ended without saying '\(text)':\n\(log)") }
    }

    /// Waits for its end.
    /// - Returns: the exit status, or minus the signal's number.
    package func waitForExit(within seconds: Double = 60) async throws -> Int32 {
        try await waitUntil("the end of process \(pid)", seconds: seconds) { !self.isRunning }
        return process.withLock { $0.terminationReason == .exit ? $0.terminationStatus : -$0.terminationStatus }
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

/// What a process wrote; shared with the thread that reads it.
private final class Collected: Sendable {
    let text = Mutex("")
}
