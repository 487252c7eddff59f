import Foundation
import JanusJob
import TestSupport
import Testing

/// Packed precisions against f32, on janus-nano where its checkpoint lies in Deploy/models, else on tiny, whose weights are
/// random: such a model is a hard case, and misses gates that a trained one must pass.
@Suite("quality of packed precisions")
struct QualityTests {
    private struct Report: Decodable {
        struct Row: Decodable {
            var precision: String
            var kv: String
            var text: Double
            var guided: Double
            var gate: Double
        }

        var rows: [Row]

        /// One for each way to keep keys and values.
        func rows(_ precision: String) -> [Row] { rows.filter { $0.precision == precision } }
    }

    /// What tiny reaches, with a little room.
    private static let boundsOfTiny = ["bf16": 0.0002, "int8": 0.003, "int4": 0.18]

    private static let nano: String? = {
        let folder = TestPaths.root + "/Deploy/models/janus-nano"
        return FileManager.default.fileExists(atPath: folder + "/config.json") ? folder : nil
    }()

    /// What janus-nano was trained on.
    private static let nanoCases =
        [
            "a red circle", "a green square and a blue triangle", "three yellow circles",
            "a blue square on the left on a white background", "two red triangles", "a purple star",
        ].flatMap { ["--prompt", $0] }
        + [
            "Describe this picture.", "What color is the circle?", "How many shapes are there?", "What shape is it?",
            "Is there a red square?",
        ].flatMap { ["--question", $0] }

    private func measure(_ arguments: [String] = []) throws -> Report {
        let process = Process()
        process.executableURL = try Reference.executable("janus-model")
        process.arguments =
            ["quality", Self.nano ?? tinyFolder, "--json", "--quiet"] + arguments
            + (Self.nano == nil ? [] : Self.nanoCases)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let report = try JSONDecoder().decode(Report.self, from: data)
        for row in report.rows {
            print(
                "\(Self.nano == nil ? "tiny" : "janus-nano") \(arguments): \(row.precision), kv \(row.kv): \(row.text) nats, guided \(row.guided)"
            )
        }
        let isMissed = report.rows.contains { $0.text > $0.gate }
        #expect(process.terminationStatus == (isMissed ? 1 : 0))
        return report
    }

    private func expectGates(_ report: Report) throws {
        for (precision, bound) in Self.boundsOfTiny {
            let rows = report.rows(precision)
            #expect(Set(rows.map { $0.kv }) == ["bf16", "int8"])
            for row in rows {
                let limit = Self.nano == nil ? bound : row.gate
                #expect(row.text <= limit, "\(precision), kv \(row.kv): \(row.text) nats")
            }
        }
    }

    @Test("text logits stay within their gates")
    func plain() throws { try expectGates(try measure()) }

    @Test("outliers of 50 times change nothing in f32, and packed text logits stay within their gates")
    func outliers() throws {
        let report = try measure(["--outliers", "50"])
        let copied = try #require(report.rows("f32").first)
        #expect(copied.text < 1e-6 && copied.guided < 1e-6)
        try expectGates(report)
    }
}
