import CJanusKernels

/// What drawing a token needs over a whole vocabulary.
extension Matrix {
    /// The first of the greatest values of one row; nil where one is not a number, or there are none.
    package var greatest: Int? {
        precondition(rows == 1, "\(rows) rows")
        let index = unsafe janus_greatest(base, columns)
        return index < columns ? index : nil
    }

    /// The least value of one row of logits that may be drawn: the k-th greatest (0: any), or where the most likely
    /// tokens' probabilities reach `topP` (1: any), whichever is greater. Equals of it may be drawn too.
    /// - Parameters:
    ///   - greatest: of the row.
    ///   - temperature: above 0.
    ///   - scratch: of the same sides, to be written to.
    package func floor(greatest: Float, temperature: Float, topK: Int, topP: Float, scratch: Matrix) -> Float {
        precondition(rows == 1 && topK >= 0, "\(rows) rows, top \(topK)")
        precondition(scratch.rows == 1 && scratch.columns == columns, "scratch of other sides")
        return unsafe janus_floor(base, columns, greatest, temperature, topK, topP, scratch.base)
    }

    /// self = unconditional + weight · (conditional − unconditional), of one row each: classifier-free guidance. self may
    /// be one of them.
    package func guide(conditional: Matrix, unconditional: Matrix, weight: Float) {
        precondition(rows == 1 && conditional.rows == 1 && unconditional.rows == 1, "one row each")
        precondition(conditional.columns == columns && unconditional.columns == columns, "different sides")
        unsafe janus_guide(conditional.base, unconditional.base, weight, base, columns)
    }
}

/// The noise of one draw, and which tokens it could make the winner.
package struct GumbelScreen {
    private let counter: InlineArray<3, UInt32>
    private let key: InlineArray<2, UInt32>
    private let temperature: Double

    /// - Parameters:
    ///   - counter, key: Philox's; token t has word t mod 4 of the counter (t / 4, then these).
    ///   - temperature: above 0.
    package init(counter: (UInt32, UInt32, UInt32), key: (UInt32, UInt32), temperature: Double) {
        self.counter = [counter.0, counter.1, counter.2]
        self.key = [key.0, key.1]
        self.temperature = temperature
    }

    /// Calls `body`, in ascending order, with every token of one row of logits that is at least `floor` and that noise could
    /// lift to `least` (and perhaps with a few others), and with its random word.
    /// - Parameter body: gives what the next tokens must reach at least.
    package func forEachCandidate(
        of logits: Matrix, from floor: Float, least: Double, _ body: (_ token: Int, _ word: UInt32) -> Double
    ) {
        precondition(logits.rows == 1, "\(logits.rows) rows")
        var least = least
        unsafe withUnsafeTemporaryAllocation(of: janus_candidate.self, capacity: Self.tokensAtOnce) { scratch in
            guard let candidates = scratch.baseAddress else { return }
            for first in stride(from: 0, to: logits.columns, by: Self.tokensAtOnce) {
                let count = unsafe counter.span.withUnsafeBufferPointer { counter in
                    unsafe key.span.withUnsafeBufferPointer { key in
                        unsafe janus_gumbel_candidates(
                            logits.base, first, min(Self.tokensAtOnce, logits.columns - first), floor, temperature,
                            least, counter.baseAddress, key.baseAddress, candidates)
                    }
                }
                for index in 0..<count {
                    let candidate = unsafe candidates[index]
                    least = body(Int(candidate.token), candidate.word)
                }
            }
        }
    }

    /// What the kernel takes at once, a multiple of 64: their candidates are 1 KiB, which surely lies on the stack.
    private static let tokensAtOnce = 128
}
