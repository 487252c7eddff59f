import Foundation
import JanusJob
import TestSupport
import Testing

/// Packed precisions against f32 on janus-nano, a trained model. What tiny's random weights reach, `PackTests` bounds.
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

    private static let gates = ["bf16": 0.002, "int8": 0.002, "int4": 0.05]

    /// What janus-nano was trained on.
    private static let cases =
        [
            "a red circle", "a green square and a blue triangle", "three yellow circles",
            "a blue square on the left on a white background", "two red triangles", "a purple star",
        ].flatMap { ["--prompt", $0] }
        + [
            "Describe this picture.", "What color is the circle?", "How many shapes are there?", "What shape is it?",
            "Is there a red square?",
        ].flatMap { ["--question", $0] }
    private static let oneCase = ["--prompt", "a red circle", "--question", "What shape is it?"]

    private func quality(_ model: String, _ arguments: [String]) throws -> TestProcess.Result {
        try TestProcess.run(Reference.executable("janus-model"), ["quality", model, "--quiet"] + arguments)
    }

    private func expectGates(_ arguments: [String] = []) throws -> Report {
        let result = try quality(NanoCopy.original, ["--json"] + Self.cases + arguments)
        #expect(result.status == 0, "\(result)")
        let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        for row in report.rows {
            print("janus-nano \(arguments): \(row.precision), kv \(row.kv): \(row.text) nats, guided \(row.guided)")
        }
        for (precision, gate) in Self.gates {
            let rows = report.rows(precision)
            #expect(rows.map { $0.kv }.sorted() == ["bf16", "int8"])
            for row in rows {
                #expect(row.gate == gate && row.text <= gate, "\(precision), kv \(row.kv): \(row.text) nats")
                // rounding that cannot be seen would be a model compared with itself
                #expect(row.text > 0 && row.guided > 0, "\(precision), kv \(row.kv)")
            }
        }
        return report
    }

    @Test("text logits stay within their gates")
    func plain() throws { _ = try expectGates() }

    @Test("outliers of 50 times change nothing in f32, and packed text logits stay within their gates")
    func outliers() throws {
        let copied = try #require(try expectGates(["--outliers", "50"]).rows("f32").first)
        #expect(copied.text < 1e-6 && copied.guided < 1e-6)
    }

    @Test("a gate that is missed is said, with status 1")
    func missed() throws {
        // tiny's weights are random, and four bits of them are too few
        let result = try quality(tinyFolder, ["--precision", "int4", "--kv", "int8"])
        #expect(result.status == 1 && result.output.contains("MISSES its gate"), "\(result)")
    }

    /// A tensor, and the stage that its fault must be said with.
    private static let faults = [
        ("model.language_model.norm.weight", "f32: drawing \"a red circle\", token 0"),
        ("model.generation_head.proj_out.bias", "f32: drawing \"a red circle\", token 0"),
        ("model.vqmodel.decoder.conv_out.bias", "f32: pixels of \"a red circle\""),
        ("model.aligner.fc1.bias", "f32: seeing the picture of \"What shape is it?\" about \"a red circle\""),
        ("lm_head.weight", "f32: answering \"What shape is it?\" about \"a red circle\", token 0"),
    ]

    @Test(
        "a value that is not finite fails by the name of its stage, whatever gate it would pass", arguments: faults,
        [Float.nan, .infinity])
    func notFinite(fault: (tensor: String, stage: String), value: Float) throws {
        let copy = try NanoCopy(with: value, in: fault.tensor)
        let result = try quality(copy.path, ["--precision", "int8"] + Self.oneCase)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.hasPrefix("Error: \(fault.stage): a value is "), "\(result.errors)")
    }

    @Test("outliers that no f32 can hold fail by the name of the copy")
    func overflow() throws {
        let result = try quality(NanoCopy.original, ["--outliers", "3e38"] + Self.oneCase)
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.hasPrefix("Error: f32 with outliers: "), "\(result.errors)")
    }

    @Test("verify shows the stages that a value which is not finite reaches", arguments: [Float.nan, .infinity])
    func verify(value: Float) throws {
        let copy = try NanoCopy(with: value, in: "model.language_model.norm.weight")
        let result = try TestProcess.run(Reference.executable("janus-model"), ["verify", copy.path])
        #expect(result.status == 1, "\(result)")
        for stage in ["chat.prompt_logits", "chat.greedy_ids", "generate0.cond_logits", "generate0.greedy_tokens"] {
            let line = result.output.split(separator: "\n").first { $0.hasPrefix(stage) }
            #expect(line?.hasSuffix("FAILED") == true, "\(stage): \(line ?? "no line")")
        }
        // what does not go through the language model agrees
        #expect(
            result.output.split(separator: "\n").contains { $0.hasPrefix("vision.features") && !$0.hasSuffix("FAILED") }
        )
    }

    @Test(
        "verify shows the image encoder's stage when a value in it is not finite, and goes on",
        arguments: [Float.nan, .infinity])
    func verifyEncoder(value: Float) throws {
        let copy = try NanoCopy(with: value, in: "model.vqmodel.encoder.conv_in.weight")
        let result = try TestProcess.run(Reference.executable("janus-model"), ["verify", copy.path])
        #expect(result.status == 1, "\(result)")
        let failed = result.output.split(separator: "\n").filter { $0.hasSuffix("FAILED") }
        #expect(failed.count == 1 && failed.first?.hasPrefix("vq.encode_tokens") == true, "\(result)")
    }

    @Test(
        "verify calls the error against an expected value that is not finite infinite",
        arguments: [Float.nan, .infinity])
    func expectedNotFinite(value: Float) throws {
        let copy = try NanoCopy { values in
            let bytes = SafetensorsWriter.encoded([value], type: "F32")
            values.tensors["chat.prompt_logits"]?.data.replaceSubrange(0..<bytes.count, with: bytes)
        }
        let result = try TestProcess.run(Reference.executable("janus-model"), ["verify", copy.path])
        #expect(result.status == 1, "\(result)")
        let line = result.output.split(separator: "\n").first { $0.hasPrefix("chat.prompt_logits") }
        #expect(line?.hasSuffix("relative error inf   FAILED") == true, "\(line ?? "no line")")
    }

    @Test(
        "verify refuses a file that lacks a kind of case: it would agree with every model",
        arguments: [".resized", ".greedy_ids", ".greedy_tokens"])
    func nothingToVerify(suffix: String) throws {
        let copy = try NanoCopy { values in
            for name in values.tensors.keys where name.hasSuffix(suffix) { values.tensors[name] = nil }
        }
        let result = try TestProcess.run(Reference.executable("janus-model"), ["verify", copy.path])
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("it has no NAME\(suffix)"), "\(result.errors)")
    }
}

/// janus-nano with something changed, in a directory of its own.
final class NanoCopy {
    static let original = TestPaths.root + "/Deploy/models/janus-nano"
    private static let weights = "model.safetensors"
    private static let expected = "expected.safetensors"
    private let folder: TemporaryDirectory
    var path: String { folder.path }

    /// - Parameter tensor: its first value becomes `value`.
    convenience init(with value: Float, in tensor: String) throws {
        try self.init(Self.weights) { file in
            let found = try #require(file.tensors[tensor], "\(tensor)")
            let bytes = SafetensorsWriter.encoded([value], type: found.type)
            file.tensors[tensor]?.data.replaceSubrange(0..<bytes.count, with: bytes)
        }
    }

    /// - Parameter change: of the expected values.
    convenience init(changingExpected change: (inout SafetensorsWriter) throws -> Void) throws {
        try self.init(Self.expected, change)
    }

    private init(_ changed: String, _ change: (inout SafetensorsWriter) throws -> Void) throws {
        folder = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.original) where name != changed {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: Self.original + "/" + name)
        }
        var file = try SafetensorsWriter(path: Self.original + "/" + changed)
        try change(&file)
        try folder.write(changed, file.encoded())
    }
}
