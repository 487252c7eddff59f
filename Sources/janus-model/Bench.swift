import ArgumentParser
import Foundation
import JanusModel
import JanusTensor

/// Measures the engine's parts at real sizes, and the machine's ceilings beside them.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures a model of real sizes with made-up weights, and the machine's ceilings beside it.",
        discussion: """
            The weights are noise, made in memory; no checkpoint is needed. Seconds are the best of --repeats times, \
            and of more until they took a second and a half. An image \
            is a prompt of 32 tokens, conditional and unconditional, 576 steps and the decoding of the picture; the steps \
            are measured at five contexts from the first to the last and summed by the trapezoidal rule, drawing of tokens \
            included.

            A floor is the time that the weights need to be read once at the bandwidth that was measured in the same run, or \
            the products at the rate that was measured, whichever is longer, plus the time to read the keys and values. \
            Ceilings are measured before and after and the greater counts; other programs on the machine make figures and \
            ceilings worse.
            """)

    @Option(help: "1b, 7b, or tiny to try the command.") var shape = ModelShape.oneB
    @Option(help: "bf16, int8 or int4.") var precision = PackedPrecision.int8
    @Option(help: "bf16 or int8: how keys and values are kept (default: int8, for bf16 bf16).") var kv: KeyValueFormat?
    @Option(help: "Images at once, beside one alone; 0 leaves this out.") var images = 8
    @Option(help: "Texts at once; 0 leaves this out.") var text = 16
    @Option(parsing: .upToNextOption, help: "Measure these parts only.") var only: [BenchWorkload] = []
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Option(help: "How often each part is measured.") var repeats = 5
    @Flag(help: "Print JSON instead of a table.") var json = false
    @Flag(help: "No progress on standard error.") var quiet = false

    private static let atOnceMax = 256

    func validate() throws {
        guard (threads ?? 1) >= 1, repeats >= 1 else {
            throw ValidationError("--threads and --repeats must be at least 1")
        }
        guard (0...Self.atOnceMax).contains(images), (0...Self.atOnceMax).contains(text) else {
            throw ValidationError("--images and --text must be 0 … \(Self.atOnceMax)")
        }
    }

    func run() throws {
        if let threads { Threads.configure(min(threads, Threads.threadsMax)) }
        let bar = ProgressBar(quiet: quiet)
        defer { bar.clear() }
        let report: BenchReport
        do throws(ModelError) { report = try measure(bar) } catch {
            bar.clear()
            throw Failure(error.description)
        }
        bar.clear()
        try print(json ? report.json : report.table)
    }

    private func measure(_ bar: ProgressBar) throws(ModelError) -> BenchReport {
        bar.show("bench", 0, note: "ceilings")
        let before = MachineCeilings.measure()
        bar.show("bench", 0, note: "making weights")
        let model = try JanusModel.synthetic(shape, precision: precision)
        let weights = BenchMemory.now().proportional
        let configuration = model.configuration.keeping(kv)
        var bench = EngineBench(
            model: model, configuration: configuration, precision: precision, repeats: repeats)
        let measured = try bench.measure(images: images, texts: text, only: only) { bar.show("bench", $0, note: $1) }
        // before the probe, which has memory of its own
        let memory = BenchMemory.now()
        bar.show("bench", 1, note: "ceilings")
        let after = MachineCeilings.measure()
        let ceilings = before.greater(after)
        return BenchReport(
            shape: shape.rawValue, precision: precision.rawValue, threads: Threads.count, isa: Threads.isa.name,
            ceilingsBefore: before, ceilingsAfter: after,
            keyValueFormat: configuration.keyValueFormat?.rawValue ?? "f32",
            cacheBytesPerPosition: configuration.cacheBytesPerPosition, weightBytes: weights, memory: memory,
            parts: measured.map { $0.part(ceilings) })
    }
}

extension ModelShape: ExpressibleByArgument {}
extension BenchWorkload: ExpressibleByArgument {}
