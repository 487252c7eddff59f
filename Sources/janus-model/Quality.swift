import ArgumentParser
import Foundation
import JanusImage
import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// Measures how far packed precisions stray from f32 on a checkpoint.
struct Quality: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures how far each packed precision strays from f32 on a checkpoint.",
        discussion: """
            The checkpoint in f32 draws a picture from each prompt and answers questions about it; each precision then \
            computes its logits for the same tokens. Mean KL divergence of text logits has a gate: 0.002 nats for bf16 and \
            int8, 0.05 for int4, however keys and values are kept. Image logits are shown before and after guidance, which \
            amplifies differences.

            --outliers 50 packs a copy of the checkpoint that is the same function in f32 with some channels 50 times larger, \
            as in large models. Packs and copy are made below $TMPDIR and removed. Exit status 1 when a gate is missed; and \
            where a value is not finite or no token can be drawn, which is said with the precision and the stage.
            """)

    @Argument(help: "Directory of the checkpoint.", completion: .directory) var model: String
    @Option(help: "bf16, int8 or int4; may be repeated (default: all).") var precision: [PackedPrecision] = []
    @Option(help: "bf16 or int8: how keys and values are kept; may be repeated (default: both).")
    var kv: [KeyValueFormat] = []
    @Option(help: "Multiply some channels by this, and divide what reads them.") var outliers: Float = 1
    @Option(name: .customLong("prompt"), help: "What to draw; may be repeated.") var prompts: [String] = [
        "a red circle and a blue square", "a red fox in the snow", "three green triangles",
    ]
    @Option(name: .customLong("question"), help: "What to ask about each drawing; may be repeated.")
    var questions: [String] = ["What is in the picture?", "What color is it?"]
    @Option(help: "Of the drawings.") var seed: Int64 = 1
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Flag(help: "Print JSON instead of a table.") var json = false
    @Flag(help: "No progress on standard error.") var quiet = false

    func validate() throws {
        guard (threads ?? 1) >= 1 else { throw ValidationError("--threads must be at least 1") }
        guard outliers.isFinite, outliers > 0 else { throw ValidationError("--outliers must be greater than 0") }
        guard !(prompts + questions).contains(where: { $0.allSatisfy(\.isWhitespace) }) else {
            throw ValidationError("a --prompt or --question is empty")
        }
    }

    func run() throws {
        if let threads { Threads.configure(min(threads, Threads.threadsMax)) }
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-quality-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            do { try FileManager.default.removeItem(at: folder) } catch {
                FileHandle.standardError.write(Data("\(folder.path) stays: \(error)\n".utf8))
            }
        }
        let bar = ProgressBar(quiet: quiet)
        defer { bar.clear() }
        let report: QualityReport
        do {
            report = try measure(in: folder.path, bar)
        } catch let error as any CustomStringConvertible & Error {
            bar.clear()
            throw Failure(error.description)
        }
        bar.clear()
        try print(json ? report.json : report.table)
        guard report.passes else { throw ExitCode.failure }
    }

    private func measure(in folder: String, _ bar: ProgressBar) throws -> QualityReport {
        let (cases, expected) = try reference(bar)
        var subject = model
        if outliers != 1 {
            subject = folder + "/outliers"
            bar.show("copying", 0)
            try OutlierCopy.make(of: model, into: subject, factor: outliers)
        }
        var rows: [QualityRow] = []
        if outliers != 1 {
            bar.show("comparing", 0, note: Precision.f32.rawValue)
            let copied = try JanusModel.load(directory: subject)
            rows.append(
                try Self.compare(
                    QualitySubject(name: "f32 with outliers", model: copied), Precision.f32.rawValue, gate: 1e-4, cases,
                    expected))
        }
        for precision in precision.isEmpty ? PackedPrecision.allCases : precision {
            let pack = "\(folder)/\(precision.rawValue).pack.safetensors"
            try Packer.pack(directory: subject, precision: precision, output: pack) { bar.show("packing", $0) }
            bar.show("comparing", 0, note: precision.rawValue)
            let gate =
                switch precision {
                case .bf16, .int8: 0.002
                case .int4: 0.05
                }
            let packed = try JanusModel.load(directory: pack)
            for format in kv.isEmpty ? KeyValueFormat.allCases : kv {
                rows.append(
                    try Self.compare(
                        QualitySubject(name: precision.rawValue, model: packed, keyValueFormat: format),
                        precision.rawValue, gate: gate, cases, expected))
            }
            try FileManager.default.removeItem(atPath: pack)
        }
        return QualityReport(
            model: URL(filePath: model).standardizedFileURL.lastPathComponent, outliers: Double(outliers),
            answerTokens: expected.texts.reduce(0) { $0 + $1.rows },
            pictureTokens: expected.images.reduce(0) { $0 + $1.guided.rows }, rows: rows)
    }

    /// What f32 computes; its weights are gone when this returns.
    private func reference(_ bar: ProgressBar) throws -> (QualityCases, Logits) {
        let model = try JanusModel.load(directory: model) { bar.show("loading", $0) }
        let tokenizer = try Tokenizer(path: self.model + "/tokenizer.json")
        let preprocessor = try ImagePreprocessor(path: self.model + "/preprocessor_config.json")
        let cases = try QualityCases(
            model, tokenizer, preprocessor, prompts: prompts, questions: questions, seed: seed,
            progress: { bar.show("drawing", $0) })
        return (cases, try Logits(cases, QualitySubject(name: "f32", model: model)))
    }

    private struct Logits {
        let texts: [Matrix]
        let images: [(conditional: Matrix, guided: Matrix)]
        let pictures: [[UInt8]]

        init(_ cases: QualityCases, _ subject: QualitySubject) throws {
            texts = try cases.textLogits(subject)
            images = try cases.imageLogits(subject)
            pictures = try cases.pictures(subject)
        }
    }

    private static func compare(
        _ subject: QualitySubject, _ precision: String, gate: Double, _ cases: QualityCases, _ expected: Logits
    ) throws -> QualityRow {
        func mean(_ values: [Double], _ what: String) throws(QualityError) -> Double {
            guard !values.isEmpty else { throw .empty(stage: subject.stage(what)) }
            return values.reduce(0, +) / Double(values.count)
        }
        let found = try Logits(cases, subject)
        var text: [Double] = []
        var same: [Double] = []
        for (a, b) in zip(found.texts, expected.texts) {
            text += try divergences(a, b, stage: subject.stage("text logits"))
            same += (0..<b.rows).map { a[$0..<$0 + 1].greatest == b[$0..<$0 + 1].greatest ? 1 : 0 }
        }
        var image: [Double] = []
        var guided: [Double] = []
        for (a, b) in zip(found.images, expected.images) {
            image += try divergences(a.conditional, b.conditional, stage: subject.stage("image logits"))
            guided += try divergences(a.guided, b.guided, stage: subject.stage("guided image logits"))
        }
        let pixels = zip(found.pictures, expected.pictures).flatMap { a, b in
            zip(a, b).map { abs(Double($0) - Double($1)) }
        }
        return QualityRow(
            precision: precision, keyValueFormat: subject.keyValueFormat?.rawValue ?? Precision.f32.rawValue,
            text: try mean(text, "text logits"), textMax: text.reduce(0, max),
            agreement: try mean(same, "text logits"), image: try mean(image, "image logits"),
            guided: try mean(guided, "guided image logits"), pixels: try mean(pixels, "pixels"), gate: gate)
    }
}
