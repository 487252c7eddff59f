import ArgumentParser
import Foundation
import JanusJob
import JanusQueue

/// Follows a job to its end, with one line that is rewritten on a terminal.
struct JobFollower {
    private static let pollSeconds = 0.25

    let client: JobClient

    func status(_ job: Int64) async throws -> JobStatus {
        guard let status = try await client.status(job) else {
            throw ValidationError("there is no job \(job), or it is not yours")
        }
        return status
    }

    /// Prints the final status as JSON; exits with 1 unless the job succeeded.
    func follow(_ job: Int64) async throws {
        let isTerminal = isatty(STDERR_FILENO) == 1
        var last = ""
        while true {
            let status = try await status(job)
            let line = Self.line(status)
            if line != last { show(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n") }
            last = line
            if status.state.isFinished {
                if isTerminal { show("\n") }
                print(status.json)
                if status.state != .succeeded { throw ExitCode.failure }
                return
            }
            try await Task.sleep(for: .seconds(Self.pollSeconds))
        }
    }

    private static func line(_ status: JobStatus) -> String {
        let phase = status.phase.map { " \($0.rawValue)" } ?? ""
        let place = status.queuePosition.map { " place \($0)" } ?? ""
        let done = Int(status.progress ?? 0)
        let bar = String(repeating: "█", count: done / 5) + String(repeating: "░", count: 20 - min(done, 100) / 5)
        return "job \(status.id) \(bar) \(done) % \(status.state.rawValue)\(phase)\(place)"
    }

    private func show(_ text: String) {
        // whoever does not read it misses the progress and nothing else
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
