import ArgumentParser
import Foundation
import JanusEngine
import JanusJob
import JanusModel
import JanusTensor

/// Measures the engine at real sizes, and the machine's ceilings beside it.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the engine at real sizes with made-up weights, and the machine's ceilings beside it.",
        discussion: """
            The weights are noise, made in memory, and a token is a byte, so that prompts have any length that is wanted; no \
            checkpoint is needed. All else is what a worker runs. Every run is one unit of a part; what is printed is \
            the median of the runs, with the least and the most.

            Measured whole, through the batch that workers run, from the handing over of jobs until all have ended:
              image   one image: a prompt of 32 tokens and its unconditional twin, 576 tokens, VQ decoding, PNG
              images  --images such jobs at once, their prompts of 32, 33, … tokens
              answer  a question about a picture, 700 tokens in all, answered in 64: PNG read, vision tower, prefill, tokens
              answers --text such jobs at once without a picture, prompts of 40 tokens
            Of the last two a step is a part of them: one token for every text, while all of them write.
            Measured parts, each a single operation of the model:
              vq      the VQ decoding of one picture
              vision  the vision tower and the aligner on one picture
              prefill a prompt of 646 tokens

            Prompts, seeds and pictures differ from run to run, and the cache of prompts is emptied between runs: a run \
            that found a prompt there would be an error. An answer that ends before its last token is \
            thrown away with its run, and another prompt taken.

            A floor is modelled: the time that the weights need to be read once for each pass at the bandwidth that was \
            measured in the same process, or the products at the rate that was measured, whichever is longer, plus the \
            time to read the keys and values, summed over all passes with their contexts; files have none. Ceilings are \
            measured before and after and the greater counts; other programs on the machine make figures and ceilings \
            worse.
            """)

    @Option(help: "1b, 7b, or tiny to try the command.") var shape = ModelShape.oneB
    @Option(help: "bf16, int8 or int4.") var precision = PackedPrecision.int8
    @Option(help: "bf16 or int8: how keys and values are kept (default: int8, for bf16 bf16).") var kv: KeyValueFormat?
    @Option(help: "Images at once, beside one alone; 0 leaves this out.") var images = 8
    @Option(help: "Texts at once; 0 leaves this out.") var text = 16
    @Option(parsing: .upToNextOption, help: "Measure these parts only.") var only: [BenchWorkload] = []
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Option(help: "How often each part is run.") var runs = 5
    @Flag(
        help: """
            Run a part once for each of its names that comes in on standard input, one a line, and print a line of JSON \
            for each; at the end of input, print the report as JSON. For Deploy/bench, where others take turns.
            """)
    var turns = false
    @Flag(help: "Print JSON instead of a table.") var json = false
    @Flag(help: "Neither progress nor the expected duration on standard error.") var quiet = false

    /// Two rows each: as many as fit into one pass.
    private static let imagesMax = 128
    private static let textsMax = 256
    private static let runsMax = 1000

    func validate() throws {
        guard (threads ?? 1) >= 1 else { throw ValidationError("--threads must be at least 1") }
        guard (1...Self.runsMax).contains(runs) else { throw ValidationError("--runs must be 1 … \(Self.runsMax)") }
        guard (0...Self.imagesMax).contains(images) else {
            throw ValidationError("--images must be 0 … \(Self.imagesMax)")
        }
        guard (0...Self.textsMax).contains(text) else { throw ValidationError("--text must be 0 … \(Self.textsMax)") }
        for (part, count, option) in [(BenchWorkload.images, images, "--images"), (.answers, text, "--text")]
        where only.contains(part) && count == 0 {
            throw ValidationError("--only \(part.rawValue) needs \(option) greater than 0")
        }
    }

    func run() throws {
        if let threads { Threads.configure(min(threads, Threads.threadsMax)) }
        let bar = ProgressBar(quiet: quiet || turns)
        defer { bar.clear() }
        let report: BenchReport
        do throws(Failure) { report = try measure(bar) } catch {
            bar.clear()
            throw error
        }
        bar.clear()
        try print(json || turns ? report.json : report.table)
    }

    private func measure(_ bar: ProgressBar) throws(Failure) -> BenchReport {
        bar.show("bench", 0, note: "ceilings")
        let before = MachineCeilings.measure()
        bar.show("bench", 0, note: "making weights")
        var bench = try EngineBench(
            shape, precision, kv, images: images, texts: text, threads: Threads.count)
        let weights = BenchMemory.now().proportional
        let wanted = BenchWorkload.allCases.filter {
            (only.isEmpty || only.contains($0)) && ($0 != .images || images > 0) && ($0 != .answers || text > 0)
        }
        var measured = BenchRuns(figures: wanted.map { ($0, bench.figures($0)) })
        let turn = BenchTurn(measured.expectedSeconds(before))
        if turns {
            try turn.take { workload throws(Failure) in
                guard wanted.contains(workload) else {
                    throw Failure("\(workload.rawValue) is not among the parts that are measured")
                }
                return try measured.add(workload, try bench.run(workload))
            }
        } else {
            let expected = turn.expected.values.reduce(0, +) * Double(runs)
            if !quiet { turn.announce(seconds: expected, runs: runs) }
            var spent = 0.0
            for run in 1...runs {
                for workload in wanted {
                    bar.show("bench", spent / expected, note: "run \(run) of \(runs): \(workload.rawValue)")
                    _ = try measured.add(workload, try bench.run(workload))
                    spent += turn.expected[workload] ?? 0
                }
            }
        }
        // before the probe, which has memory of its own
        let memory = BenchMemory.now()
        bar.show("bench", 1, note: "ceilings")
        let after = MachineCeilings.measure()
        return BenchReport(
            shape: shape.rawValue, precision: precision.rawValue, threads: Threads.count, isa: Threads.isa.name,
            ceilingsBefore: before, ceilingsAfter: after, cases: BenchCases(),
            keyValueFormat: bench.configuration.keyValueFormat?.rawValue ?? Precision.f32.rawValue,
            cacheBytesPerPosition: bench.configuration.cacheBytesPerPosition, weightBytes: weights, memory: memory,
            runsDiscarded: bench.runsDiscarded, parts: try measured.parts(before.greater(after)))
    }
}

extension ModelShape: ExpressibleByArgument {}
extension BenchWorkload: ExpressibleByArgument {}
