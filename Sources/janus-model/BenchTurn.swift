import Foundation
import JanusTensor

/// What `bench` says of itself while it runs: how long it will take, and in turns with others, each run.
struct BenchTurn {
    /// Seconds of one run of each part.
    let expected: [BenchWorkload: Double]

    init(_ expected: [BenchWorkload: Double]) { self.expected = expected }

    func announce(seconds: Double, runs: Int) {
        let text = String(
            format: "%d runs of each part, about %.0f s in all (from the ceilings of this machine)\n", runs, seconds)
        FileHandle.standardError.write(Data(text.utf8))
    }

    private struct Ready: Encodable {
        /// Seconds of one run, by part.
        var expected: [String: Double]
    }

    private struct Run: Encodable {
        var part: String
        /// By key of the figure.
        var seconds: [String: Double]
    }

    /// Says that it is ready, then runs what is named on standard input until that ends.
    /// - Parameter run: gives the seconds of each of the part's figures.
    func take(_ run: (BenchWorkload) throws(Failure) -> [String: Double]) throws(Failure) {
        let names = expected.map { ($0.key.rawValue, $0.value) }
        try say(Ready(expected: Dictionary(uniqueKeysWithValues: names)))
        while let name = readLine() {
            guard let workload = BenchWorkload(rawValue: name) else { throw Failure("there is no part \(name)") }
            try say(Run(part: name, seconds: try run(workload)))
        }
    }

    private func say(_ line: some Encodable) throws(Failure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do {
            try FileHandle.standardOutput.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
        } catch {
            throw Failure("cannot write to standard output: \(error)")
        }
    }
}
