import Foundation
import JanusModel
import JanusTensor

/// One part's best time, and what it cannot be faster than.
struct BenchPart: Codable {
    var name: String
    var seconds: Double
    /// Tokens that come out of it.
    var rows: Int
    var weightBytes: Int
    /// Of keys and values, f32.
    var cacheBytes: Int
    /// Multiplications of a weight with an activation; attention is not counted.
    var products: Int
    var floorSeconds = 0.0
    /// floorSeconds / seconds
    var ofFloor = 0.0

    mutating func holdAgainst(_ ceilings: MachineCeilings, _ precision: PackedPrecision) {
        let rate =
            switch precision {
            case .bf16: ceilings.bf16GOPPerSecond
            case .int8, .int4: ceilings.int8GOPPerSecond
            }
        let reading = Double(weightBytes + cacheBytes) / (ceilings.readGBPerSecond * 1e9)
        floorSeconds = max(reading, rate > 0 ? 2 * Double(products) / (rate * 1e9) : 0)
        ofFloor = floorSeconds / seconds
    }
}

struct BenchReport: Codable {
    var shape: String
    var precision: String
    var threads: Int
    var isa: String
    var ceilings: MachineCeilings
    var parts: [BenchPart]

    var json: String {
        get throws(ModelError) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
                throw .pack(file: "the report", reason: "\(error)")
            }
        }
    }

    var table: String {
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func first(_ text: String) -> String { text.padding(toLength: 34, withPad: " ", startingAt: 0) }
        var lines = [
            "\(shape), \(precision), \(threads) threads, \(isa)",
            String(
                format: "ceilings: read %.1f GB/s; int8 %.0f, bf16 %.0f, f32 %.0f GOP/s", ceilings.readGBPerSecond,
                ceilings.int8GOPPerSecond, ceilings.bf16GOPPerSecond, ceilings.f32GOPPerSecond),
            first("part") + cell("ms", 10) + cell("tok/s", 10) + cell("floor ms", 10) + cell("of floor", 10),
        ]
        for part in parts {
            lines.append(
                first(part.name) + cell(String(format: "%.1f", part.seconds * 1000), 10)
                    + cell(String(format: "%.1f", Double(part.rows) / part.seconds), 10)
                    + cell(String(format: "%.1f", part.floorSeconds * 1000), 10)
                    + cell(String(format: "%.0f %%", part.ofFloor * 100), 10))
        }
        return lines.joined(separator: "\n")
    }
}
