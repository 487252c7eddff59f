package import JanusTensor

/// Draws tokens by the Gumbel-max rule: the token with the greatest logit/temperature + Gumbel noise is a draw from their
/// softmax, without any running sum. The noise of token t at position p of image i is a function of
/// (seed, i, p, t) alone: counter (t / 4, p, i, domain), word t mod 4.
package struct TokenSampler {
    /// Keeps the draws of images and texts with one seed apart.
    package enum Domain: UInt32 {
        case image = 0
        case text = 1
    }

    let generator: Philox
    let domain: Domain
    /// 0 takes the most likely token.
    let temperature: Float

    package init(seed: Int64, domain: Domain, temperature: Float) {
        generator = Philox(seed: seed)
        self.domain = domain
        self.temperature = temperature
    }

    /// - Parameters:
    ///   - logits: one row.
    ///   - topK: draw only from the tokens whose logit is at least the k-th greatest; 0 draws from all.
    ///   - topP: draw only from the smallest set of most likely tokens whose probabilities reach this; 1 draws from all.
    ///   - scratch: as large as the logits, to be written to where topK or topP ask for it; nil takes its own.
    /// - Returns: the index of the token; nil when the logits hold a NaN, or the greatest is infinite.
    package func draw(
        _ logits: Matrix, image: Int = 0, position: Int, topK: Int = 0, topP: Float = 1, scratch: Matrix? = nil
    ) -> Int? {
        guard let greatest = logits.greatest, logits[0, greatest].isFinite else { return nil }
        guard temperature > 0 else { return greatest }
        var floor = -Float.infinity
        if topK > 0 || topP < 1 {
            floor = logits.floor(
                greatest: logits[0, greatest], temperature: temperature, topK: max(topK, 0), topP: topP,
                scratch: scratch ?? Matrix(rows: 1, columns: logits.columns))
        }
        return drawGumbel(logits, greatest: greatest, from: floor, image: image, position: position)
    }

    private func drawGumbel(_ logits: Matrix, greatest: Int, from floor: Float, image: Int, position: Int) -> Int? {
        let counter = (UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: image), domain.rawValue)
        func scaled(_ logit: Float) -> Double { Double(logit) / Double(temperature) }

        // What the winner has at least: most tokens cannot reach it, which a glance at their noise tells.
        let word = generator.block(UInt32(greatest / 4), counter.0, counter.1, counter.2)[greatest % 4]
        let least = scaled(logits[0, greatest]) + Self.gumbel(word)
        var best: Int?
        var bestValue = -Double.infinity
        let screen = GumbelScreen(counter: counter, key: generator.key, temperature: Double(temperature))
        screen.forEachCandidate(of: logits, from: floor, least: least) { token, word in
            let value = scaled(logits[0, token]) + Self.gumbel(word)
            if best == nil || value > bestValue {
                best = token
                bestValue = value
            }
            return max(least, bestValue)
        }
        return best
    }

    /// Gumbel noise of a random word, which stands for u = (word + ½) / 2³²: uniform in (0, 1), never an end, so that both
    /// logarithms are finite.
    private static func gumbel(_ word: UInt32) -> Double {
        -ElementaryFunctions.log(-ElementaryFunctions.log((Double(word) + 0.5) / 4_294_967_296))
    }
}
