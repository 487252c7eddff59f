import Foundation
import JanusPostgres
import TestSupport
import Testing

/// What a siege measures: how long something of the client who does no harm takes, before, during and after.
struct Siege {
    /// Deploy/siege asks for the full size; `swift test` alone does it small.
    static let isFull = ProcessInfo.processInfo.environment["JANUS_SIEGE"] == "full"

    static func size(small: Int, full: Int) -> Int { isFull ? full : small }

    struct Times {
        /// In seconds, ascending.
        private let sorted: [Double]

        init(_ seconds: [Double]) throws {
            guard !seconds.isEmpty else { throw WaitingError("nothing was measured") }
            sorted = seconds.sorted()
        }

        func percentile(_ share: Double) -> Double {
            sorted[min(Int((share * Double(sorted.count)).rounded(.up)), sorted.count) - 1]
        }

        var p99: Double { percentile(0.99) }
        var text: String {
            let figures = [percentile(0.5), p99, percentile(1)].map { String(format: "%.3f", $0) }
            return "p50 \(figures[0]) s, p99 \(figures[1]) s, most \(figures[2]) s of \(sorted.count)"
        }
    }

    let name: String
    let samples: Int

    /// Measures `body` as often as the siege has samples, one after the other.
    func measure(_ when: String, _ body: (Int) async throws -> Void) async throws -> Times {
        var seconds: [Double] = []
        for number in 0..<samples {
            let start = ContinuousClock.now
            try await body(number)
            seconds.append((ContinuousClock.now - start) / .seconds(1))
        }
        let times = try Times(seconds)
        say(when, times.text)
        return times
    }

    func say(_ when: String, _ text: String) { print("siege \(name): \(when): \(text)") }
}

/// The greatest number of descriptors and threads that a process had, seen every 20 ms while `body` ran.
func greatestUse<Value>(
    of pid: Int32, _ body: () async throws -> Value
) async throws -> (value: Value, descriptors: Int, threads: Int) {
    let watch = Task { () throws -> (descriptors: Int, threads: Int) in
        var (descriptors, threads) = (0, 0)
        func count(_ what: String) throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/\(what)").count
        }
        while true {
            descriptors = max(descriptors, try count("fd"))
            threads = max(threads, try count("task"))
            if Task.isCancelled { return (descriptors, threads) }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }
    let value: Value
    do {
        value = try await body()
    } catch {
        watch.cancel()
        throw error
    }
    watch.cancel()
    let (descriptors, threads) = try await watch.value
    return (value, descriptors, threads)
}
