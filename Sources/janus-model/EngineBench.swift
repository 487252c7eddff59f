import Foundation
import JanusEngine
import JanusModel
import JanusTensor

/// A part's time, and the pieces of work that it consists of with how many of each make a unit.
struct Measured {
    var key: String
    var name: String
    var unit: String
    var seconds: Double
    var tokens: Double?
    var work: [(count: Double, work: BenchWork)]

    func part(_ ceilings: MachineCeilings) -> BenchPart {
        BenchPart(
            key: key, name: name, unit: unit, seconds: seconds, tokens: tokens,
            floorSeconds: work.reduce(0) { $0 + $1.count * $1.work.seconds(ceilings) })
    }
}

/// What can be measured, named as in JSON.
enum BenchWorkload: String, CaseIterable {
    case vq, vision, image, images, prefill, decode, texts
}

/// Runs the model's parts and takes their time.
struct EngineBench {
    let model: JanusModel
    /// The model's, with the keys and values that were chosen.
    let configuration: JanusConfiguration
    let precision: PackedPrecision
    let repeats: Int

    /// What Deploy/bench.d has its peers run too.
    private static let promptTokens = 32
    private static let contextsOfImage = 5
    private static let textContext = 40
    private static let pictureContext = 700
    private static let prefillTokens = 646
    private static let guidance: Float = 5

    private var costs: BenchCosts { BenchCosts(configuration: configuration, precision: precision) }
    private var generator = SplitMix(seed: 1)
    /// As an engine has them, for all steps.
    private var embeddingsRoom = MatrixRoom()
    private var hiddenRoom = MatrixRoom()
    private var logitsRoom = MatrixRoom()

    init(model: JanusModel, configuration: JanusConfiguration, precision: PackedPrecision, repeats: Int) {
        self.model = model
        self.configuration = configuration
        self.precision = precision
        self.repeats = repeats
    }

    /// - Parameters:
    ///   - only: the parts that are wanted; none wants all.
    ///   - progress: told the fraction that is done and what comes next.
    mutating func measure(
        images: Int, texts: Int, only: [BenchWorkload] = [], progress: (Double, String) -> Void
    ) throws(ModelError) -> [Measured] {
        var parts: [Measured] = []
        let total = 5.0 + (images > 0 ? 1 : 0) + (texts > 0 ? 1 : 0)
        func begins(_ part: BenchWorkload, _ name: String) -> Bool {
            guard only.isEmpty || only.contains(part) else { return false }
            progress(Double(parts.count) / total, name)
            return true
        }
        // an image ends with it
        let isDrawing = only.contains(.image) || only.contains(.images)
        var picture = Measured(key: "vq", name: "", unit: "", seconds: 0, work: [])
        if begins(.vq, "decoding a picture") || isDrawing {
            picture = try decodedPicture()
            parts.append(picture)
        }
        if begins(.vision, "seeing a picture") { parts.append(try vision()) }
        if begins(.image, "one image") { parts += try drawing(images: 1, key: "image", picture: picture) }
        if images > 0, begins(.images, "\(images) images") {
            parts += try drawing(images: images, key: "images", picture: picture)
        }
        if begins(.prefill, "prefill") { parts.append(try prefill()) }
        if begins(.decode, "one text") {
            parts.append(try decoding(rows: 1, context: Self.pictureContext, key: "decode"))
        }
        if texts > 0, begins(.texts, "\(texts) texts") {
            parts.append(try decoding(rows: texts, context: Self.textContext, key: "texts"))
        }
        return parts
    }

    // MARK: pictures

    private mutating func decodedPicture() throws(ModelError) -> Measured {
        let tokens = (0..<configuration.generationTokens).map { _ in
            Int32.random(in: 0..<Int32(configuration.codebookSize), using: &generator)
        }
        let seconds = try Self.best(repeats) { () throws(ModelError) in _ = try model.decodeImage(tokens: tokens) }
        return Measured(
            key: "vq", name: "VQ decode", unit: "picture", seconds: seconds, work: [(1, costs.decodedPicture)])
    }

    private mutating func vision() throws(ModelError) -> Measured {
        let side = configuration.imageSize
        let pixels = (0..<side * side * 3).map { _ in Float.random(in: -1...1, using: &generator) }
        let seconds = try Self.best(repeats) { () throws(ModelError) in _ = try model.imageEmbeddings(pixels: pixels) }
        return Measured(
            key: "vision", name: "vision tower and aligner", unit: "picture", seconds: seconds,
            work: [(1, costs.vision)])
    }

    // MARK: images

    /// Images at once, each of two rows: their end-to-end time, and their step at the middle context.
    private mutating func drawing(images: Int, key: String, picture: Measured) throws(ModelError) -> [Measured] {
        let rows = 2 * images
        let steps = configuration.generationTokens
        let contexts = (0..<Self.contextsOfImage).map {
            Self.promptTokens + steps * $0 / (Self.contextsOfImage - 1)
        }
        let cache = try KVCache(configuration, rows: rows, positionsMax: Self.promptTokens + steps + 1)
        // prompts differ, and so do their lengths: each row is prefilled
        let prompt = noise(rows * Self.promptTokens)
        let spans = (0..<rows).map { JanusModel.Span(row: $0, positions: Self.promptTokens) }
        let prefillSeconds = try Self.best(repeats) { () throws(ModelError) in
            for row in 0..<rows { cache.truncate(row: row, to: 0) }
            _ = try model.forward(prompt, spans: spans, cache: cache)
        }
        var work = [(1.0, costs.pass(rows: rows * Self.promptTokens, headRows: 0, positions: 0, head: .none))]
        var seconds = prefillSeconds
        var middle = 0.0
        for (index, context) in contexts.enumerated() {
            try fill(cache, to: context)
            let step = try Self.best(repeats) { () throws(ModelError) in
                try drawStep(images: images, cache: cache, position: context)
            } after: {
                for row in 0..<rows { cache.truncate(row: row, to: context) }
            }
            if index == Self.contextsOfImage / 2 { middle = step }
            // trapezoids: the first and the last count half
            let isEnd = index == 0 || index == contexts.count - 1
            let weight = Double(steps) / Double(contexts.count - 1) * (isEnd ? 0.5 : 1)
            seconds += weight * step
            work.append((weight, costs.step(rows: rows, context: context, head: .image)))
        }
        let count = Double(images)
        let name = images == 1 ? "one image" : "\(images) images at once"
        let context = contexts[Self.contextsOfImage / 2]
        return [
            Measured(
                key: key, name: "\(name), end to end", unit: "image", seconds: seconds / count + picture.seconds,
                work: work.map { ($0.0 / count, $0.1) } + picture.work),
            Measured(
                key: key + "_step", name: "\(name): step at context \(context)", unit: "step", seconds: middle,
                tokens: count, work: [(1, costs.step(rows: rows, context: context, head: .image))]),
        ]
    }

    /// What an engine does for each token of each image: embed, run, logits, guidance, draw.
    private mutating func drawStep(images: Int, cache: KVCache, position: Int) throws(ModelError) {
        let rows = 2 * images
        let tokens = (0..<rows).map { Int32(($0 / 2 * 7919 + position) % configuration.codebookSize) }
        let (embeddings, hidden) = rooms(rows: rows)
        try model.embed(imageTokens: tokens, into: embeddings)
        try model.forward(embeddings, spans: (0..<rows).map { JanusModel.Span(row: $0) }, cache: cache, into: hidden)
        let logits = logitsRoom.matrix(rows: rows, columns: configuration.codebookSize)
        model.imageLogits(hidden, into: logits)
        let sampler = TokenSampler(seed: 1, domain: .image, temperature: 1)
        _ = Threads.map(images) { image in
            let own = logits[2 * image..<2 * image + 1]
            own.guide(conditional: own, unconditional: logits[2 * image + 1..<2 * image + 2], weight: Self.guidance)
            return sampler.draw(own, image: image, position: position)
        }
    }

    // MARK: texts

    private mutating func prefill() throws(ModelError) -> Measured {
        let count = Self.prefillTokens
        let cache = try KVCache(configuration, rows: 1, positionsMax: count)
        let input = noise(count)
        let seconds = try Self.best(repeats) { () throws(ModelError) in
            cache.truncate(row: 0, to: 0)
            let hidden = try model.forward(input, spans: [.init(row: 0, positions: count)], cache: cache)
            _ = model.textLogits(hidden[count - 1..<count])
        }
        return Measured(
            key: "prefill", name: "prefill of \(count)", unit: "prompt", seconds: seconds, tokens: Double(count),
            work: [(1, costs.pass(rows: count, headRows: 1, positions: count, head: .text))])
    }

    private mutating func decoding(rows: Int, context: Int, key: String) throws(ModelError) -> Measured {
        let cache = try KVCache(configuration, rows: rows, positionsMax: context + 1)
        try fill(cache, to: context)
        let tokens = (0..<rows).map { Int32($0 * 7919 % configuration.vocabularySize) }
        let spans = (0..<rows).map { JanusModel.Span(row: $0) }
        let sampler = TokenSampler(seed: 1, domain: .text, temperature: 0)
        let seconds = try Self.best(repeats) { () throws(ModelError) in
            let (embeddings, hidden) = rooms(rows: rows)
            try model.embed(tokens: tokens, into: embeddings)
            try model.forward(embeddings, spans: spans, cache: cache, into: hidden)
            let logits = logitsRoom.matrix(rows: rows, columns: configuration.language.vocabularySize)
            model.textLogits(hidden, into: logits)
            _ = Threads.map(rows) { sampler.draw(logits[$0..<$0 + 1], position: context) }
        } after: {
            for row in 0..<rows { cache.truncate(row: row, to: context) }
        }
        return Measured(
            key: key, name: rows == 1 ? "one text, context \(context)" : "\(rows) texts, context \(context)",
            unit: "step", seconds: seconds, tokens: Double(rows),
            work: [(1, costs.step(rows: rows, context: context, head: .text))])
    }

    // MARK: means

    /// [rows, hidden] each: what goes into a pass, and what comes out.
    private mutating func rooms(rows: Int) -> (Matrix, Matrix) {
        let columns = configuration.hiddenSize
        return (
            embeddingsRoom.matrix(rows: rows, columns: columns), hiddenRoom.matrix(rows: rows, columns: columns)
        )
    }

    /// Lengthens every row to `context` positions of the same noise.
    private mutating func fill(_ cache: KVCache, to context: Int) throws(ModelError) {
        let missing = context - cache.lengths[0]
        if missing > 0 {
            _ = try model.forward(noise(missing), spans: [.init(row: 0, positions: missing)], cache: cache)
        }
        // memory of their own, as different prompts have it
        for row in cache.lengths.indices.dropFirst() { cache.copyRow(0, to: row, sharing: false) }
    }

    private mutating func noise(_ rows: Int) -> Matrix {
        let columns = configuration.hiddenSize
        return Matrix(
            (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) }, rows: rows, columns: columns)
    }

    /// The least seconds of `repeats` times, and of more until they have taken as long as the ceilings' probe: what a short
    /// part and a ceiling can do must be sought for equally long where others share the machine.
    /// - Parameter after: called after each time; does not count.
    private static func best(
        _ repeats: Int, _ body: () throws(ModelError) -> Void, after: () -> Void = {}
    ) throws(ModelError) -> Double {
        var (least, total, times) = (Double.infinity, 0.0, 0)
        while times < repeats || total < soughtSeconds {
            let start = ContinuousClock.now
            try body()
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            (least, total, times) = (min(least, seconds), total + seconds, times + 1)
            after()
        }
        return least
    }

    private static let soughtSeconds = 1.5
}

/// Noise that is the same in every run (Steele, Lea and Flood's SplitMix64).
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
