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
    ///   - topK: draw only from the tokens whose logit is at least the k-th greatest; 0 draws from all.
    ///   - topP: draw only from the smallest set of most likely tokens whose probabilities reach this; 1 draws from all.
    /// - Returns: the index of the token; nil when the logits hold a NaN.
    package func draw(_ logits: [Float], image: Int = 0, position: Int, topK: Int = 0, topP: Float = 1) -> Int? {
        guard !logits.contains(where: \.isNaN) else { return nil }
        guard temperature > 0 else { return Self.greatest(logits) }
        var floor = -Float.infinity
        if topK > 0, topK < logits.count { floor = logits.sorted(by: >)[topK - 1] }
        if topP < 1 { floor = max(floor, nucleusFloor(logits, topP)) }
        return drawGumbel(logits, from: floor, image: image, position: position)
    }

    /// The first of the greatest.
    static func greatest(_ logits: [Float]) -> Int? {
        var best: Int?
        var bestValue = -Float.infinity
        for (index, value) in logits.enumerated() where best == nil || value > bestValue {
            best = index
            bestValue = value
        }
        return best
    }

    private func drawGumbel(_ logits: [Float], from floor: Float, image: Int, position: Int) -> Int? {
        var best: Int?
        var bestValue = -Double.infinity
        var words = SIMD4<UInt32>()
        var wordsBlock = -1
        for (index, logit) in logits.enumerated() where logit >= floor {
            if index / 4 != wordsBlock {
                wordsBlock = index / 4
                words = generator.block(
                    UInt32(wordsBlock), UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: image),
                    domain.rawValue)
            }
            let word = words[index % 4]
            let scaled = Double(logit) / Double(temperature)
            // Most tokens are far from winning: no logarithm is needed to know that.
            if best != nil, scaled + Self.noiseBound(word) <= bestValue { continue }
            // Uniform in (0, 1), never an end, so that both logarithms are finite.
            let uniform = (Double(word) + 0.5) / 4_294_967_296
            let gumbel = -ElementaryFunctions.log(-ElementaryFunctions.log(uniform))
            let value = scaled + gumbel
            if best == nil || value > bestValue {
                best = index
                bestValue = value
            }
        }
        return best
    }

    /// No less than a word's Gumbel noise: −log(−log u) ≤ −log(1 − u), and the leading zeros of 1 − u bound that.
    static func noiseBound(_ word: UInt32) -> Double {
        let ln2RoundedUp = 0.693_147_2
        return Double((~word).leadingZeroBitCount + 1) * ln2RoundedUp
    }

    /// The least logit of the nucleus. Tokens of an equal logit are in it together.
    private func nucleusFloor(_ logits: [Float], _ topP: Float) -> Float {
        let sorted = logits.sorted(by: >)
        guard let greatest = sorted.first else { return -.infinity }
        let weights = sorted.map {
            ElementaryFunctions.exp((Double($0) - Double(greatest)) / Double(temperature))
        }
        let goal = weights.reduce(0, +) * Double(topP)
        var sum = 0.0
        for (logit, weight) in zip(sorted, weights) {
            sum += weight
            if sum >= goal { return logit }
        }
        return -.infinity
    }
}
