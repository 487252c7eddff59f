import Foundation
import JanusModel
import JanusTensor

/// One part's best time, and what it cannot be faster than.
struct BenchPart: Codable {
    /// The same in every report and every peer's.
    var key: String
    var name: String
    /// What `seconds` are for: "image", "step", "prompt", "picture".
    var unit: String
    var seconds: Double
    /// Tokens that come out of a unit, over all rows; nil where they say nothing.
    var tokens: Double?
    var floorSeconds: Double
    var ofFloor: Double { floorSeconds / seconds }

    enum CodingKeys: String, CodingKey {
        case key, name, unit, seconds, tokens
        case floorSeconds = "floor_seconds"
    }
}

/// Memory of this process in bytes, from /proc/self.
struct BenchMemory: Codable {
    /// The most that was resident at a time.
    var highWater: Int
    /// Its share now: pages that several processes map are divided among them.
    var proportional: Int

    enum CodingKeys: String, CodingKey {
        case highWater = "high_water"
        case proportional
    }

    /// 0 where the kernel does not say.
    static func now() -> BenchMemory {
        func kibibytes(_ file: String, _ field: String) -> Int {
            let text = (try? String(contentsOfFile: "/proc/self/" + file, encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") } ?? ""
            return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return BenchMemory(
            highWater: kibibytes("status", "VmHWM") * 1024, proportional: kibibytes("smaps_rollup", "Pss") * 1024)
    }
}

struct BenchReport: Codable {
    var shape: String
    var precision: String
    var threads: Int
    var isa: String
    var ceilingsBefore: MachineCeilings
    var ceilingsAfter: MachineCeilings
    var keyValueFormat: String
    /// Of keys and values, for one position of one row.
    var cacheBytesPerPosition: Int
    var weightBytes: Int
    var memory: BenchMemory
    var parts: [BenchPart]

    enum CodingKeys: String, CodingKey {
        case shape, precision, threads, isa
        case ceilingsBefore = "ceilings_before"
        case ceilingsAfter = "ceilings_after"
        case keyValueFormat = "kv"
        case cacheBytesPerPosition = "kv_bytes_per_position"
        case weightBytes = "weight_bytes"
        case memory, parts
    }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    var table: String {
        var lines = ["\(shape), \(precision), keys and values in \(keyValueFormat), \(threads) threads, \(isa)"]
        for (when, ceilings) in [("before", ceilingsBefore), ("after", ceilingsAfter)] {
            lines.append(
                String(
                    format: "ceilings %@: read %.1f GB/s; int8 %.0f, bf16 %.0f, f32 %.0f GOP/s", when,
                    ceilings.readGBPerSecond, ceilings.int8GOPPerSecond, ceilings.bf16GOPPerSecond,
                    ceilings.f32GOPPerSecond))
        }
        lines.append(Self.row(["part", "seconds", "a", "tok/s", "floor", "of floor"]))
        for part in parts {
            lines.append(
                Self.row([
                    part.name, Self.seconds(part.seconds), part.unit,
                    part.tokens.map { String(format: "%.1f", $0 / part.seconds) } ?? "",
                    Self.seconds(part.floorSeconds), String(format: "%.0f %%", part.ofFloor * 100),
                ]))
        }
        lines.append(
            String(
                format:
                    "memory: at most %.2f GB, proportional %.2f GB; weights %.2f GB, keys and values %.1f KiB a token "
                    + "and row", Double(memory.highWater) / 1e9, Double(memory.proportional) / 1e9,
                Double(weightBytes) / 1e9, Double(cacheBytesPerPosition) / 1024))
        return lines.joined(separator: "\n")
    }

    private static func seconds(_ value: Double) -> String { String(format: value < 1 ? "%.4f" : "%.2f", value) }

    private static func row(_ cells: [String]) -> String {
        zip(cells, [40, 9, 8, 9, 9, 9]).enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return index == 0 ? cell.0 + space : space + cell.0
        }.joined(separator: " ")
    }
}
