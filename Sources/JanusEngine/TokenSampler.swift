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
        guard let greatest = Self.greatest(logits) else { return nil }
        func words(_ block: Int) -> SIMD4<UInt32> {
            generator.block(
                UInt32(block), UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: image), domain.rawValue)
        }
        func scaled(_ logit: Float) -> Double { Double(logit) / Double(temperature) }

        // What the winner has at least: most tokens cannot reach it, which a glance at their noise tells.
        let least = scaled(logits[greatest]) + Self.gumbel(words(greatest / 4)[greatest % 4])
        var best: Int?
        var bestValue = -Double.infinity
        var block = SIMD4<UInt32>()
        for (index, logit) in logits.enumerated() {
            if index % 4 == 0 { block = words(index / 4) }
            guard logit >= floor else { continue }
            let (base, word) = (scaled(logit), block[index % 4])
            guard base + Self.gumbelBound(word) >= max(least, bestValue) else { continue }
            let value = base + Self.gumbel(word)
            if best == nil || value > bestValue {
                best = index
                bestValue = value
            }
        }
        return best
    }

    /// Gumbel noise of a random word, which stands for u = (word + ½) / 2³²: uniform in (0, 1), never an end, so that both
    /// logarithms are finite.
    private static func gumbel(_ word: UInt32) -> Double {
        -ElementaryFunctions.log(-ElementaryFunctions.log((Double(word) + 0.5) / 4_294_967_296))
    }

    /// What `gumbel` is at most: −log(−log u) ≤ −log(1 − u), and 1 − u ≥ 2^−(1 + leading zeros of the word's complement).
    private static func gumbelBound(_ word: UInt32) -> Double {
        Double(1 + (~word).leadingZeroBitCount) * ln2Above
    }

    /// A little more than log 2, so that rounding cannot make the bound too small.
    private static let ln2Above = 0.693_147_181

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
