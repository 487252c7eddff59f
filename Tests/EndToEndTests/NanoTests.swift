import Foundation
import JanusPostgres
import TestSupport
import Testing

/// janus-nano, the trained model that comes with janusd: what it draws and answers is right, and is what transformers computes.
@Suite struct NanoTests {
    static let checkpoint = TestPaths.root + "/Deploy/models/janus-nano"

    @Test("without any model configured, janusd serves janus-nano, and the scorer finds its pictures and answers right")
    func scorer() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_MODELS": ""])
        let configuration = try JSONSerialization.jsonObject(
            with: Data(contentsOf: URL(filePath: Self.checkpoint + "/generation_config.json")))
        let guidance = try #require((configuration as? [String: Any])?["guidance_scale"] as? Double)

        // Few tasks: the whole tables are Deploy/score's. The bounds are what this checkpoint reaches, less some room.
        let python = try DaemonProcess(
            URL(filePath: TestPaths.root + "/Deploy/python"),
            [
                "-m", "janus_nano.daemon", "--database", try await stage.database.clientDSN("scorer"), "--guidance",
                "\(guidance)", "--prompts", "5", "--images", "1", "--questions", "6",
            ],
            environment: [
                "PYTHONPATH": TestPaths.root + "/Sources/janus-nano", "HOME": NSHomeDirectory(),
            ])
        #expect(try await python.waitForExit(within: 300) == 0, "\(python.log)")
        let means = python.log.split(separator: "\n").filter { $0.hasPrefix("| ") }.compactMap(Self.mean)
        #expect(means.count == 2, "\(python.log)")
        #expect(means.first ?? 0 >= 0.85, "drawing: \(python.log)")
        #expect(means.last ?? 0 >= 0.95, "understanding: \(python.log)")
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
    }

    @Test("janus-model verify finds what transformers computed from the shipped checkpoint")
    func verify() async throws {
        let tool = try DaemonProcess(
            Reference.executable("janus-model"),
            ["verify", Self.checkpoint], environment: [:])
        #expect(try await tool.waitForExit() == 0, "\(tool.log)")
        #expect(tool.log.contains("stages agree"))
    }

    /// Of a row of numbers under `mean`; nil for heads and rules.
    private static func mean(_ row: Substring) -> Double? {
        let cells = row.split(separator: "|").map { Double($0.trimmingCharacters(in: .whitespaces)) }
        // GenEval's table has six columns before its mean, the answers' has eight
        guard let first = cells.first, first != nil else { return nil }
        return cells.count == 8 ? cells[6] : cells[8]
    }
}
