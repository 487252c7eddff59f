import JanusModel
import JanusTensor
import Testing

@Suite("every stage agrees with the official implementation")
struct ReferenceTests {
    @Test("vision tower and adaptor", arguments: 0..<4)
    func vision(index: Int) throws {
        let reference = try TinyReference()
        let features = try reference.model.visionFeatures(pixels: try reference.pixels(index))
        #expect(relativeError(features.array(), try reference.part("vision.features", index, of: 4)) < tolerance)
        let aligned = reference.model.alignVision(features)
        #expect(relativeError(aligned.array(), try reference.part("aligner.output", index, of: 4)) < tolerance)
    }

    @Test(
        "prompt logits, greedy ids and each step's logits",
        arguments: [("understand0", [0]), ("understand1", [0, 1]), ("chat", [])])
    func text(name: String, pictures: [Int]) throws {
        let reference = try TinyReference()
        let model = reference.model
        let ids = try reference.ids(name + ".prompt_ids")
        let embedded = try pictures.map { try model.imageEmbeddings(pixels: try reference.pixels($0)) }
        let embeddings = try model.embed(tokens: ids, placeholder: try reference.token("image"), pictures: embedded)
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: ids.count + 32)
        let hidden = try model.forward(embeddings, spans: [.init(row: 0, positions: ids.count)], cache: cache)
        var logits = model.textLogits(hidden[ids.count - 8..<ids.count])
        #expect(relativeError(logits.array(), try reference.floats(name + ".prompt_logits")) < tolerance)

        let greedy = try reference.ids(name + ".greedy_ids")
        var drawn: [Int32] = []
        var steps: [Float] = []
        var last = logits.row(7)
        for _ in greedy {
            steps += last
            let token = argMax(last)
            drawn.append(token)
            logits = model.textLogits(
                try model.forward(try model.embed(tokens: [token]), spans: [.init(row: 0)], cache: cache))
            last = logits.row(0)
        }
        #expect(drawn == greedy)
        #expect(relativeError(steps, try reference.floats(name + ".step_logits")) < tolerance)
    }

    @Test("image logits of both rows, greedy tokens, pixels and bytes", arguments: ["generate0", "generate1"])
    func generation(name: String) throws {
        let reference = try TinyReference()
        let model = reference.model
        let prompt = try reference.ids(name + ".prompt_ids")
        let weight = Float(try reference.number(name + ".cfg_weight"))
        let pad = try reference.token("pad")
        let unconditional = prompt.indices.map { $0 == 0 || $0 == prompt.count - 1 ? prompt[$0] : pad }
        let count = model.configuration.generationTokens
        let cache = try KVCache(model.configuration, rows: 2, positionsMax: prompt.count + count)
        var hidden = try model.forward(
            try model.embed(tokens: prompt + unconditional),
            spans: [.init(row: 0, positions: prompt.count), .init(row: 1, positions: prompt.count)], cache: cache)
        var last = Matrix(rows: 2, columns: hidden.columns)
        last[0..<1].copy(from: hidden[prompt.count - 1..<prompt.count])
        last[1..<2].copy(from: hidden[2 * prompt.count - 1..<2 * prompt.count])
        var tokens: [Int32] = []
        var conditionalLogits: [Float] = []
        var unconditionalLogits: [Float] = []
        while tokens.count < count {
            let logits = model.imageLogits(last)
            conditionalLogits += logits.row(0)
            unconditionalLogits += logits.row(1)
            let token = argMax(zip(logits.row(0), logits.row(1)).map { $1 + weight * ($0 - $1) })
            tokens.append(token)
            guard tokens.count < count else { break }
            hidden = try model.forward(
                try model.embed(imageTokens: [token, token]), spans: [.init(row: 0), .init(row: 1)], cache: cache)
            last = hidden
        }
        #expect(tokens == (try reference.ids(name + ".greedy_tokens")))
        #expect(relativeError(conditionalLogits, try reference.floats(name + ".cond_logits")) < tolerance)
        #expect(relativeError(unconditionalLogits, try reference.floats(name + ".uncond_logits")) < tolerance)

        let pixels = try model.decodeImage(tokens: tokens)
        let planes = (0..<3).flatMap { channel in pixels.columns(channel..<channel + 1).array() }
        #expect(relativeError(planes, try reference.floats(name + ".pixels")) < tolerance)
        let image = try reference.expected.bytes(name + ".image")
        let bytes = JanusModel.bytes(pixels: pixels)
        #expect(bytes.count == image.count && !image.isEmpty)
        // a value within rounding of a whole number may be truncated to either side
        #expect(zip(bytes, image).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        #expect(zip(bytes, image).count { $0 != $1 } <= image.count / 1000)
    }

    @Test("pictures encode to the same tokens", arguments: 0..<4)
    func encode(index: Int) throws {
        let reference = try TinyReference()
        let all = try reference.ids("vq.encode_tokens")
        let count = all.count / 4
        let tokens = try reference.model.encodeImage(pixels: try reference.pixels(index))
        #expect(tokens == Array(all[index * count..<(index + 1) * count]))
    }
}
