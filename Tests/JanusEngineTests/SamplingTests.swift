import Foundation
import JanusEngine
import JanusTensor
import Testing

@Suite("Sampling")
struct SamplingTests {
    @Test("Philox gives the words of Random123's known answers")
    func philox() {
        #expect(Philox(seed: 0).block(0, 0, 0, 0) == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
        let ones = UInt32.max
        #expect(
            Philox(seed: -1).block(ones, ones, ones, ones) == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
        #expect(
            Philox(seed: 0x299F_31D0_A409_3822).block(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344)
                == SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
    }

    /// How often each token was drawn, over positions.
    private func counts(
        _ logits: [Float], temperature: Float = 1, topK: Int = 0, topP: Float = 1, draws: Int = 20_000
    ) -> [Double] {
        let sampler = TokenSampler(seed: 11, domain: .image, temperature: temperature)
        var counts = [Double](repeating: 0, count: logits.count)
        for position in 0..<draws {
            if let token = sampler.draw(logits, position: position, topK: topK, topP: topP) {
                counts[token] += 1 / Double(draws)
            }
        }
        return counts
    }

    @Test("draws follow the softmax of logits by temperature", arguments: [0.5, 1, 2] as [Float])
    func distribution(temperature: Float) {
        let logits: [Float] = [0, 1, 2, -1, 0.5, 1.5]
        let weights = logits.map { exp(Double($0 / temperature)) }
        let sum = weights.reduce(0, +)
        for (share, weight) in zip(counts(logits, temperature: temperature), weights) {
            // Five standard deviations of 20,000 draws.
            #expect(abs(share - weight / sum) < 5 * (0.25 / 20_000).squareRoot())
        }
    }

    @Test(
        "the draw is the greatest of logit by temperature plus noise, over all tokens",
        arguments: [0.3, 1, 7] as [Float])
    func gumbelMax(temperature: Float) {
        let sampler = TokenSampler(seed: 5, domain: .image, temperature: temperature)
        let generator = Philox(seed: 5)
        func value(_ logits: [Float], _ index: Int, _ position: Int) -> Double {
            let word = generator.block(UInt32(index / 4), UInt32(position), 3, 0)[index % 4]
            let uniform = (Double(word) + 0.5) / 4_294_967_296
            return Double(logits[index]) / Double(temperature)
                - ElementaryFunctions.log(-ElementaryFunctions.log(uniform))
        }
        for position in 0..<200 {
            let noise = Philox(seed: 77)
            let logits = (0..<501).map { index in
                Float(noise.block(UInt32(index), UInt32(position), 0, 0)[0]) / 4e8 - 5
            }
            let values = logits.indices.map { value(logits, $0, position) }
            let best = values.indices.max { values[$0] < values[$1] }
            #expect(sampler.draw(logits, image: 3, position: position) == best)
        }
    }

    @Test("top-k and top-p leave out the unlikely tokens and only those")
    func truncation() {
        let logits: [Float] = [log(0.5), log(0.25), log(0.15), log(0.1)]
        #expect(counts(logits, topK: 2).map { $0 > 0 } == [true, true, false, false])
        #expect(counts(logits, topK: 1).map { $0 > 0 } == [true, false, false, false])
        #expect(counts(logits, topK: 9).allSatisfy { $0 > 0 })
        // The token that crosses the sum belongs to the set.
        #expect(counts(logits, topP: 0.6).map { $0 > 0 } == [true, true, false, false])
        #expect(counts(logits, topP: 0.8).map { $0 > 0 } == [true, true, true, false])
        #expect(counts(logits, topP: 0.0001).map { $0 > 0 } == [true, false, false, false])
        let shares = counts(logits, topP: 0.6)
        #expect(abs(shares[0] - 2.0 / 3) < 0.02)
    }

    @Test("temperature 0 takes the most likely token, the first of equals")
    func greedy() {
        let sampler = TokenSampler(seed: 1, domain: .text, temperature: 0)
        #expect(sampler.draw([1, 3, 3, 2], position: 0) == 1)
        #expect(sampler.draw([-Float.infinity, -5], position: 0) == 1)
    }

    @Test("logits that are not numbers, or whose greatest is infinite, draw nothing")
    func notFinite() {
        for temperature: Float in [0, 1] {
            let sampler = TokenSampler(seed: 1, domain: .text, temperature: temperature)
            #expect(sampler.draw([1, .nan, 3], position: 0) == nil)
            #expect(sampler.draw([1, .infinity, 3], position: 0) == nil)
            #expect(sampler.draw([-Float.infinity, -Float.infinity], position: 0) == nil)
        }
    }

    @Test("tiny temperatures overflow nothing")
    func tinyTemperature() {
        #expect(
            counts([1, 2, 3], temperature: .leastNonzeroMagnitude, draws: 50)
                == counts([0, 0, 1], temperature: 0, draws: 50))
    }

    @Test("seed, image, position and domain each change the draws, and nothing else does")
    func keys() {
        let logits = [Float](repeating: 0, count: 16_384)
        func draw(_ seed: Int64, _ domain: TokenSampler.Domain, _ image: Int, _ position: Int) -> Int? {
            TokenSampler(seed: seed, domain: domain, temperature: 1).draw(logits, image: image, position: position)
        }
        let first = draw(1, .image, 0, 0)
        #expect(first == draw(1, .image, 0, 0))
        for other in [
            draw(2, .image, 0, 0), draw(1, .text, 0, 0), draw(1, .image, 1, 0), draw(1, .image, 0, 1),
            draw(1 + 1 << 32, .image, 0, 0), draw(-1, .image, 0, 0),
        ] { #expect(other != first) }
    }
}

extension TokenSampler {
    fileprivate func draw(
        _ logits: [Float], image: Int = 0, position: Int, topK: Int = 0, topP: Float = 1
    ) -> Int? {
        draw(
            Matrix(logits, rows: 1, columns: logits.count), image: image, position: position, topK: topK, topP: topP)
    }
}
