import ArgumentParser
import Foundation
import JanusModel
import JanusTensor

/// Measures the engine's parts at real sizes, and the machine's ceilings beside them.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Measures steps and prefill at real sizes with made-up weights, and the machine's ceilings beside them.",
        discussion: """
            The weights are noise, made in memory; no checkpoint is needed. Each row of the table is the best of --repeats \
            times, held against a floor: the greater of the time to read its weights, keys and values once at the \
            bandwidth that was measured in the same run, and the time of its products at the rate that was measured. \
            Ceilings are measured before and after and the greater counts; other programs on the machine make figures \
            and ceilings worse.
            """)

    @Option(help: "1b, 7b, or tiny to try the command.") var shape = ModelShape.oneB
    @Option(help: "bf16, int8 or int4.") var precision = PackedPrecision.int8
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Option(help: "How often each part is measured.") var repeats = 5
    @Flag(help: "Print JSON instead of a table.") var json = false

    func validate() throws {
        guard (threads ?? 1) >= 1, repeats >= 1 else {
            throw ValidationError("--threads and --repeats must be at least 1")
        }
    }

    func run() throws {
        if let threads { Threads.configure(min(threads, Threads.threadsMax)) }
        do throws(ModelError) {
            let before = MachineCeilings.measure()
            let model = try JanusModel.synthetic(shape, precision: precision)
            var parts = try EngineBench(model: model, precision: precision, repeats: repeats).measure()
            let ceilings = before.greater(MachineCeilings.measure())
            for index in parts.indices { parts[index].holdAgainst(ceilings, precision) }
            let report = BenchReport(
                shape: shape.rawValue, precision: precision.rawValue, threads: Threads.count, isa: Threads.isa.name,
                ceilings: ceilings, parts: parts)
            try print(json ? report.json : report.table)
        } catch {
            throw Failure(error.description)
        }
    }
}

extension ModelShape: ExpressibleByArgument {}

/// Runs the model's parts and takes their time.
struct EngineBench {
    let model: JanusModel
    let precision: PackedPrecision
    let repeats: Int

    private static let imageContext = 308
    private static let textContext = 40
    private static let textRows = 16
    private static let prefillTokens = 646

    func measure() throws(ModelError) -> [BenchPart] {
        let head = model.configuration.codebookSize + model.configuration.hiddenSize
        let vocabulary = model.configuration.vocabularySize
        return [
            try step("step, one image", rows: 2, context: Self.imageContext, headOutputs: head, model.imageLogits),
            try step(
                "step, 16 texts", rows: Self.textRows, context: Self.textContext, headOutputs: vocabulary,
                model.textLogits),
            try step("decode, one text", rows: 1, context: 700, headOutputs: vocabulary, model.textLogits),
            try prefill(),
        ]
    }

    private func noise(_ rows: Int) -> Matrix {
        var generator = SystemRandomNumberGenerator()
        let columns = model.configuration.hiddenSize
        return Matrix(
            (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) }, rows: rows, columns: columns)
    }

    private func best(_ body: () throws(ModelError) -> Void) throws(ModelError) -> Double {
        var least = Double.infinity
        for _ in 0..<repeats {
            let start = ContinuousClock.now
            try body()
            least = min(least, (ContinuousClock.now - start) / .seconds(1))
        }
        return least
    }

    private func step(
        _ name: String, rows: Int, context: Int, headOutputs: Int, _ logits: (Matrix) -> Matrix
    ) throws(ModelError) -> BenchPart {
        let cache = KVCache(model.configuration, rows: rows, positionsMax: context + 1)
        for row in 0..<rows {
            _ = try model.forward(noise(context), spans: [.init(row: row, positions: context)], cache: cache)
        }
        let input = noise(rows)
        let spans = (0..<rows).map { JanusModel.Span(row: $0) }
        let seconds = try best { () throws(ModelError) in
            _ = logits(try model.forward(input, spans: spans, cache: cache))
            for row in 0..<rows { cache.truncate(row: row, to: context) }
        }
        let language = model.configuration.language
        let headPrecision = precision == .int4 ? PackedPrecision.int8 : precision
        let headLayout = PackedLayout(
            precision: headPrecision, outputs: headOutputs, inputs: model.configuration.hiddenSize)
        return BenchPart(
            name: "\(name) (context \(context))", seconds: seconds, rows: rows,
            weightBytes: language.stepBytes(precision) + headLayout.valuesBytes + headLayout.scalesBytes,
            cacheBytes: rows * (context + 1) * model.configuration.cacheBytesPerPosition,
            products: rows * (language.stepWeights + headOutputs * model.configuration.hiddenSize))
    }

    private func prefill() throws(ModelError) -> BenchPart {
        let count = Self.prefillTokens
        let cache = KVCache(model.configuration, rows: 1, positionsMax: count)
        let input = noise(count)
        let seconds = try best { () throws(ModelError) in
            _ = try model.forward(input, spans: [.init(row: 0, positions: count)], cache: cache)
            cache.truncate(row: 0, to: 0)
        }
        let language = model.configuration.language
        return BenchPart(
            name: "prefill of \(count)", seconds: seconds, rows: count, weightBytes: language.stepBytes(precision),
            cacheBytes: count * model.configuration.cacheBytesPerPosition, products: count * language.stepWeights)
    }
}
