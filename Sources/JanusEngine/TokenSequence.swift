package import JanusJob
import JanusTensor

/// One sequence that is being drawn: the rows of the cache that receive its tokens, and where it is between drawing a
/// token and feeding it back.
final class TokenSequence {
    /// Which head its logits come from.
    enum Head {
        case image
        case text
    }

    let head: Head
    /// Of the cache: an image's conditional and unconditional row, or an answer's only one.
    let rows: [Int]
    /// Which image of its job.
    let index: Int
    unowned let job: any BatchedJob
    /// As drawn.
    var tokens: [Int32] = []
    /// [rows, hidden]: what the next token is drawn from, good until the next pass. nil until there is something.
    var hidden: Matrix?
    /// The last token goes into the next pass.
    var isFed = false

    /// - Parameter tokensMax: that will ever be drawn.
    init(_ head: Head, rows: [Int], index: Int = 0, tokensMax: Int, job: any BatchedJob) {
        self.head = head
        self.rows = rows
        self.index = index
        self.job = job
        tokens.reserveCapacity(tokensMax)
    }
}

/// A job in the batch. The loop calls it on the computing thread only, but for `draw`.
protocol BatchedJob: AnyObject {
    var reporter: JobProgressReporter { get }
    /// The sequences that are open.
    var sequences: [TokenSequence] { get }
    /// Set when there is nothing left to do.
    var outcome: Result<JobProduct, Interruption>? { get }
    /// Whether it has all the rows that it will need.
    var isReserved: Bool { get }

    /// Opens rows as far as there is room for them.
    func reserve()
    /// Takes up what the last pass and the work beside it have brought.
    func proceed()
    /// - Parameters:
    ///   - logits: [the sequence's rows, tokens]; may be overwritten.
    ///   - scratch: [1, tokens], to be written to.
    /// - Returns: the next token; nil when the logits are not finite. Changes nothing else: sequences draw at the same time,
    ///   on any of the pool's threads.
    func draw(_ logits: Matrix, scratch: Matrix, for sequence: TokenSequence) -> Int?
    /// What came of it.
    func accept(_ token: Int?, for sequence: TokenSequence)
    /// A pass that it took part in has run.
    func charge(seconds: Double)
    func fail(_ interruption: Interruption)
    /// Gives everything back, at its end of whatever kind.
    func release()
}

/// What a job gives.
package enum JobProduct: Sendable, Equatable {
    case images([GeneratedImage], JobUsage)
    case answer(Answer)
}
