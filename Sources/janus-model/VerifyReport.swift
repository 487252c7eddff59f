import Foundation

/// How close each stage came.
struct VerifyReport {
    /// What f32 must reach.
    static let relativeErrorMax = 1e-4
    /// Pixels so close to a whole number that rounding in f32 decides which side truncation takes: at most so many of a
    /// picture's bytes may be off, and by one.
    static let bytesOffByOneMax = 1e-3

    private enum Measure {
        case error(Double)
        case ids(differing: Int, of: Int)
        case bytes(differing: Int, worst: Int, of: Int)
        case text(isEqual: Bool)
    }

    private var stages: [(name: String, measure: Measure)] = []

    /// max |a − b| / max |b|; infinite where the sizes differ, there is nothing, or a value is not finite.
    mutating func compare(_ name: String, _ found: [Float], _ expected: [Float]) {
        var largest = 0.0
        var worst = found.count == expected.count && !expected.isEmpty ? 0.0 : .infinity
        for (a, b) in zip(found, expected) {
            largest = max(largest, abs(Double(b)))
            let difference = abs(Double(a) - Double(b))
            worst = max(worst, difference.isFinite ? difference : .infinity)
        }
        // infinite by anything stays infinite
        let isMeasured = worst > 0 && worst.isFinite
        stages.append((name, .error(isMeasured ? worst / max(largest, .leastNormalMagnitude) : worst)))
    }

    mutating func compare(ids name: String, _ found: [Int32], _ expected: [Int32]) {
        let same = zip(found, expected).count { $0 == $1 }
        let count = max(found.count, expected.count)
        stages.append((name, .ids(differing: count - same, of: count)))
    }

    mutating func compare(bytes name: String, _ found: [UInt8], _ expected: [UInt8]) {
        var worst = found.count == expected.count ? 0 : 255
        var differing = abs(found.count - expected.count)
        for (a, b) in zip(found, expected) where a != b {
            differing += 1
            worst = max(worst, abs(Int(a) - Int(b)))
        }
        stages.append((name, .bytes(differing: differing, worst: worst, of: max(found.count, expected.count))))
    }

    mutating func compare(text name: String, _ found: String, _ expected: String) {
        stages.append((name, .text(isEqual: found == expected)))
    }

    var passes: Bool { !stages.isEmpty && stages.allSatisfy { Self.passes($0.name, $0.measure) } }

    private static func passes(_ name: String, _ measure: Measure) -> Bool {
        switch measure {
        case .error(let error): error <= relativeErrorMax
        case .ids(let differing, let count): differing == 0 && count > 0
        case .bytes(let differing, let worst, let count):
            // Only what the decoder draws may be off: decoding and resizing a picture is integer arithmetic.
            (differing == 0 && count > 0)
                || (name.hasSuffix(".image") && worst <= 1 && Double(differing) <= bytesOffByOneMax * Double(count))
        case .text(let isEqual): isEqual
        }
    }

    /// One line a stage, and one for all.
    var table: String {
        let width = stages.map(\.name.count).max() ?? 0
        var lines = stages.map { stage in
            let name = stage.name.padding(toLength: width, withPad: " ", startingAt: 0)
            return "\(name)  \(Self.words(stage.measure))\(Self.passes(stage.name, stage.measure) ? "" : "   FAILED")"
        }
        let failed = stages.count { !Self.passes($0.name, $0.measure) }
        let errors = stages.compactMap { if case .error(let error) = $0.measure { error } else { nil } }
        lines.append(
            failed == 0
                ? "all \(stages.count) stages agree; largest relative error \(Self.scientific(errors.max() ?? 0))"
                : "\(failed) of \(stages.count) stages differ")
        return lines.joined(separator: "\n")
    }

    private static func words(_ measure: Measure) -> String {
        switch measure {
        case .error(let error): "relative error \(scientific(error))"
        case .ids(_, 0), .bytes(_, _, 0): "nothing to compare"
        case .ids(0, let count): "\(count) ids equal"
        case .ids(let differing, let count): "\(differing) of \(count) ids differ"
        case .bytes(0, _, let count): "\(count) bytes equal"
        case .bytes(let differing, let worst, let count): "\(differing) of \(count) bytes differ, by at most \(worst)"
        case .text(true): "text equal"
        case .text(false): "text differs"
        }
    }

    private static func scientific(_ value: Double) -> String { String(format: "%.1e", value) }
}
