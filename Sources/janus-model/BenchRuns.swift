import JanusTensor

/// What can be measured, named as for `--only`.
enum BenchWorkload: String, CaseIterable {
    case vq, vision, prefill, image, images, answer, answers
}

/// What is measured of a workload.
struct BenchFigure {
    /// The same in every report and every peer's.
    var key: String
    var name: String
    /// What the seconds are for: "image", "step", "prompt", …
    var unit: String
    /// Images or texts in a unit.
    var count = 1
    /// Whether it is all that a caller waits for, or a part of that.
    var isWhole: Bool
    /// Tokens that go into a unit or come out of it, over all rows; nil where they say nothing.
    var tokens: Double?
    /// All passes of a unit.
    var work: [BenchWork]

    func floorSeconds(_ ceilings: MachineCeilings) -> Double { work.reduce(0) { $0 + $1.seconds(ceilings) } }
}

/// The runs of all workloads so far.
struct BenchRuns {
    private let figures: [(workload: BenchWorkload, figures: [BenchFigure])]
    private var seconds: [String: [Double]] = [:]

    init(figures: [(BenchWorkload, [BenchFigure])]) {
        self.figures = figures.map { (workload: $0.0, figures: $0.1) }
    }

    /// - Parameter run: seconds, by key.
    mutating func add(_ workload: BenchWorkload, _ run: [String: Double]) throws(Failure) -> [String: Double] {
        for figure in figures.first(where: { $0.workload == workload })?.figures ?? [] {
            guard let value = run[figure.key], value.isFinite, value > 0 else {
                throw Failure("\(figure.name) took \(run[figure.key].map { "\($0)" } ?? "no known number of") seconds")
            }
            seconds[figure.key, default: []].append(value)
        }
        return run
    }

    /// Of one run of each workload, from the floors of its longest figure.
    func expectedSeconds(_ ceilings: MachineCeilings) -> [BenchWorkload: Double] {
        let pairs = figures.map { workload, figures in
            (workload, Self.usualMultipleOfFloor * (figures.map { $0.floorSeconds(ceilings) }.max() ?? 0))
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    private static let usualMultipleOfFloor = 1.5

    /// - Throws: where a figure has no run.
    func parts(_ ceilings: MachineCeilings) throws(Failure) -> [BenchPart] {
        var parts: [BenchPart] = []
        for figure in figures.flatMap({ $0.figures }) {
            guard let runs = seconds[figure.key], let part = BenchPart(figure, runs: runs, ceilings) else {
                throw Failure("\(figure.name) was not run")
            }
            parts.append(part)
        }
        return parts
    }
}
