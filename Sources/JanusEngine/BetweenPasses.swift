import JanusModel
import JanusTensor

/// Work that is no pass of the language model: it is done in parts, between passes, so that it stalls nobody.
protocol BetweenPassesTask: AnyObject {
    /// Nobody waits for it any more: it is dropped.
    var isAbandoned: Bool { get }
    /// Whose it is.
    var job: any BatchedJob { get }
    /// Does the next part, some milliseconds.
    /// - Returns: whether that was the last.
    func advance() throws(Interruption) -> Bool
    /// Time that a part took.
    func charge(seconds: Double)
}

/// What is to be done beside the passes, first come first served: one at a time keeps the memory of one.
struct BetweenPasses {
    /// Of the last pass's time, what goes to work beside it; and at least so much, which is one part or a few.
    private static let shareOfPass = 0.5
    private static let secondsMin = 0.01

    private var tasks: [any BetweenPassesTask] = []

    mutating func append(_ task: any BetweenPassesTask) { tasks.append(task) }

    /// Does parts until their share of the time is used up.
    mutating func advance(afterPassOf passSeconds: Double) {
        tasks.removeAll(where: \.isAbandoned)
        let limit = max(passSeconds * Self.shareOfPass, Self.secondsMin)
        var spent = 0.0
        while let task = tasks.first, spent < limit {
            let start = ContinuousClock.now
            do throws(Interruption) {
                if try task.advance() { tasks.removeFirst() }
            } catch {
                tasks.removeFirst()
                task.job.fail(error)
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            task.charge(seconds: seconds)
            spent += seconds
            if task.job.reporter.wantsToStop() { return }
        }
    }
}

/// A picture's way through the understanding encoder into the prompt that it stands in.
final class VisionTask: BetweenPassesTask {
    let job: any BatchedJob
    private let model: JanusModel
    private let fill: PromptFill
    private let range: Range<Int>
    private var pixels: [Float]
    private var run: VisionRun?
    private let charge: (Double) -> Void

    /// - Parameters:
    ///   - pixels: normalised, as the encoder takes them.
    ///   - range: the picture's positions in the fill.
    init(
        _ pixels: [Float], _ model: JanusModel, into fill: PromptFill, at range: Range<Int>, job: any BatchedJob,
        charge: @escaping (Double) -> Void
    ) {
        self.pixels = pixels
        self.model = model
        self.fill = fill
        self.range = range
        self.job = job
        self.charge = charge
    }

    var isAbandoned: Bool { fill.isAbandoned || fill.failure != nil }

    func advance() throws(Interruption) -> Bool {
        guard run != nil else {
            run = model.beginVision(pixels: pixels)
            pixels = []
            return false
        }
        run?.advance()
        guard let run, run.isDone else { return false }
        do throws(Interruption) {
            let features = try run.features.finite("the features of the vision encoder")
            fill.see(try model.alignVision(features).finite("the embeddings of the understanding adaptor"), at: range)
        } catch {
            // other jobs may wait for it too
            fill.fail(error)
        }
        return true
    }

    func charge(seconds: Double) { charge(seconds) }
}
