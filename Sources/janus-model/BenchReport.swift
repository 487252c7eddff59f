import Foundation
import JanusJob
import JanusModel
import JanusTensor

/// The runs of one figure, and what it cannot be faster than.
struct BenchPart: Encodable {
    var key: String
    var name: String
    var unit: String
    /// Images or texts in a unit.
    var count: Int
    /// "whole" or "part".
    var measured: String
    var tokens: Double?
    /// Seconds a unit, in order.
    var runs: [Double]
    var median: Double
    var least: Double
    var most: Double
    /// Modelled.
    var floorSeconds: Double

    /// nil where there is no run.
    init?(_ figure: BenchFigure, runs: [Double], _ ceilings: MachineCeilings) {
        let sorted = runs.sorted()
        guard let least = sorted.first, let most = sorted.last else { return nil }
        key = figure.key
        name = figure.name
        unit = figure.unit
        count = figure.count
        measured = figure.isWhole ? "whole" : "part"
        tokens = figure.tokens
        self.runs = runs
        // of an even number, the mean of the middle two
        median = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        self.least = least
        self.most = most
        floorSeconds = figure.floorSeconds(ceilings)
    }

    var ofFloor: Double { floorSeconds / median }

    enum CodingKeys: String, CodingKey {
        case key, name, unit, count, measured, tokens, runs, median
        case least = "min"
        case most = "max"
        case floorSeconds = "floor_seconds"
    }
}

/// Memory of this process in bytes, from /proc/self.
struct BenchMemory: Encodable {
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

struct BenchReport: Encodable {
    var shape: String
    var precision: String
    var threads: Int
    var isa: String
    var ceilingsBefore: MachineCeilings
    var ceilingsAfter: MachineCeilings
    var cases: BenchCases
    var keyValueFormat: String
    /// Of keys and values, for one position of one row.
    var cacheBytesPerPosition: Int
    var weightBytes: Int
    var memory: BenchMemory
    /// Because an answer ended early.
    var runsDiscarded: Int
    var parts: [BenchPart]

    enum CodingKeys: String, CodingKey {
        case shape, precision, threads, isa
        case ceilingsBefore = "ceilings_before"
        case ceilingsAfter = "ceilings_after"
        case cases
        case keyValueFormat = "kv"
        case cacheBytesPerPosition = "kv_bytes_per_position"
        case weightBytes = "weight_bytes"
        case memory
        case runsDiscarded = "runs_discarded"
        case parts
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
        lines.append(Self.row(["", "", "median s", "min", "max", "runs", "tok/s", "floor", "of floor"]))
        for part in parts {
            lines.append(
                Self.row([
                    part.name, part.measured, Self.seconds(part.median), Self.seconds(part.least),
                    Self.seconds(part.most), String(part.runs.count),
                    part.tokens.map { String(format: "%.1f", $0 / part.median) } ?? "",
                    Self.seconds(part.floorSeconds), String(format: "%.0f %%", part.ofFloor * 100),
                ]))
        }
        lines.append(
            "whole: measured from the jobs' handing over to their end; part: a part of that, measured; floor: modelled")
        if runsDiscarded > 0 { lines.append("runs thrown away, because an answer ended early: \(runsDiscarded)") }
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
        zip(cells, [44, 5, 9, 9, 9, 4, 8, 9, 8]).enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return index == 0 ? cell.0 + space : space + cell.0
        }.joined(separator: " ")
    }
}
