import Foundation
import JanusImage
import JanusModel
import JanusTensor
import JanusText

/// Runs a checkpoint through every stage of a file of expected values.
struct Verification {
    private let file: String
    private let expected: SafetensorsFile
    private let folder: URL
    private let model: JanusModel
    private let tokenizer: Tokenizer
    private let preprocessor: ImagePreprocessor
    private(set) var report = VerifyReport()
    /// Of each picture, [imageTokens, hidden].
    private var embeddings: [Matrix] = []

    init(model path: String, expected file: String) throws {
        self.file = file
        expected = try SafetensorsFile(path: file)
        folder = URL(filePath: file).deletingLastPathComponent()
        model = try JanusModel.load(directory: path, encodes: true)
        tokenizer = try Tokenizer(path: path + "/tokenizer.json")
        preprocessor = try ImagePreprocessor(path: path + "/preprocessor_config.json")
    }

    mutating func runAll() throws {
        try specialTokens()
        try pictures()
        for name in try names(endingIn: ".greedy_ids") { try conversation(name) }
        for name in try names(endingIn: ".greedy_tokens") { try generation(name) }
    }

    /// The cases that have such a key, in order; a file without any would agree with every model.
    private func names(endingIn suffix: String) throws -> [String] {
        let names = expected.entries.keys.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
        guard !names.isEmpty else { throw Failure("\(file): it has no NAME\(suffix), so that stage has no case") }
        return names.sorted()
    }

    /// The file's metadata are JSON values.
    private func metadata<Value: Decodable>(_ key: String) throws -> Value {
        guard let text = expected.metadata[key] else { throw Failure("\(file): its metadata lack \(key)") }
        do { return try JSONDecoder().decode(Value.self, from: Data(text.utf8)) } catch {
            throw Failure("\(file): its metadata's \(key) is \(text), no \(Value.self)")
        }
    }

    private mutating func specialTokens() throws {
        let ids = tokenizer.specials
        let found = [
            ids.beginOfSentence, ids.endOfSentence, ids.pad, ids.beginOfImage, ids.endOfImage, ids.imagePlaceholder,
        ]
        let keys = ["bos", "eos", "pad", "boi", "eoi", "image"]
        report.compare(ids: "special tokens", found, try keys.map { try metadata($0) })
    }

    // MARK: pictures

    private mutating func pictures() throws {
        var features: [Float] = []
        var aligned: [Float] = []
        var tokens: [Int32] = []
        for name in try names(endingIn: ".resized") {
            let file = try Data(contentsOf: folder.appending(path: name + ".png"))
            let picture = try RGBImage(decoding: file)
            report.compare(bytes: name + ".input", picture.pixels, try expected.bytes(name + ".input"))
            let resized = preprocessor.resized(picture)
            report.compare(bytes: name + ".resized", resized.pixels, try expected.bytes(name + ".resized"))
            let pixels = preprocessor.normalized(resized)
            let seen = try model.visionFeatures(pixels: pixels)
            let embedded = model.alignVision(seen)
            embeddings.append(embedded)
            features += seen.array()
            aligned += embedded.array()
            do throws(ModelError) { tokens += try model.encodeImage(pixels: pixels) } catch {
                // the stage then lacks a picture's tokens, and differs
                guard case .encodingNotFinite = error else { throw error }
            }
        }
        report.compare("vision.features", features, try expected.floats("vision.features"))
        report.compare("aligner.output", aligned, try expected.floats("aligner.output"))
        report.compare(ids: "vq.encode_tokens", tokens, try expected.integers("vq.encode_tokens"))
    }

    // MARK: text

    /// Renders and encodes a prompt that the official code rendered, starting from its user's message.
    private mutating func prompt(_ name: String) throws -> [Int32] {
        let rendered: String = try metadata(name + ".prompt")
        var message = rendered
        let system = message.hasPrefix(PromptTemplate.systemPrompt) ? PromptTemplate.systemPrompt : ""
        if let start = message.range(of: PromptTurn.Role.user.rawValue + ": ") {
            message = String(message[start.upperBound...])
        }
        if let end = message.range(of: PromptTemplate.answerBegins) { message = String(message[..<end.lowerBound]) }
        var pictures = 0
        let placeholder = SpecialToken.imagePlaceholder.content + "\n"
        while message.hasPrefix(placeholder) {
            message.removeFirst(placeholder.count)
            pictures += 1
        }
        let isGeneration = rendered.hasSuffix(SpecialToken.beginOfImage.content)
        let segments =
            isGeneration
            ? PromptTemplate.generation(message)
            : PromptTemplate.conversation(
                [PromptTurn(role: .user, content: message, pictures: pictures)], system: system)
        report.compare(text: name + ".prompt", PromptTemplate.text(of: segments), rendered)
        let ids = tokenizer.encode(segments, pictureTokens: model.configuration.imageTokens).ids
        report.compare(ids: name + ".prompt_ids", ids, try expected.integers(name + ".prompt_ids"))
        return try expected.integers(name + ".prompt_ids")
    }

    private mutating func conversation(_ name: String) throws {
        let ids = try prompt(name)
        let placeholder = tokenizer.specials.imagePlaceholder
        let count = ids.count { $0 == placeholder } / model.configuration.imageTokens
        let prompt = try model.embed(
            tokens: ids, placeholder: placeholder, pictures: Array(embeddings.prefix(count)))
        let greedy = try expected.integers(name + ".greedy_ids")
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: ids.count + greedy.count)
        let hidden = try model.forward(prompt, spans: [.init(row: 0, positions: ids.count)], cache: cache)
        guard let shown = try expected.entry(name + ".prompt_logits").shape.first else {
            throw Failure("\(file): \(name).prompt_logits has no rows")
        }
        let logits = model.textLogits(hidden[max(ids.count - shown, 0)..<ids.count])
        report.compare(name + ".prompt_logits", logits.array(), try expected.floats(name + ".prompt_logits"))

        var last = logits.row(logits.rows - 1)
        var drawn: [Int32] = []
        var steps: [Float] = []
        while drawn.count < greedy.count {
            steps += last
            // without it the ids are too few, which the report shows
            guard let token = argMax(last) else { break }
            drawn.append(token)
            let next = try model.forward(try model.embed(tokens: [token]), spans: [.init(row: 0)], cache: cache)
            last = model.textLogits(next).row(0)
        }
        report.compare(ids: name + ".greedy_ids", drawn, greedy)
        try compareFirstSteps(name + ".step_logits", steps)
        report.compare(text: name + ".text", tokenizer.decode(drawn), try metadata(name + ".text"))
    }

    // MARK: generation

    private mutating func generation(_ name: String) throws {
        let ids = try prompt(name)
        let weight: Float = try metadata(name + ".cfg_weight")
        let unconditional = PromptTemplate.unconditional(ids, pad: tokenizer.specials.pad)
        let count = model.configuration.generationTokens
        let cache = try KVCache(model.configuration, rows: 2, positionsMax: ids.count + count)
        let prefilled = try model.forward(
            try model.embed(tokens: ids + unconditional),
            spans: [.init(row: 0, positions: ids.count), .init(row: 1, positions: ids.count)], cache: cache)
        var last = Matrix(rows: 2, columns: prefilled.columns)
        last[0..<1].copy(from: prefilled[ids.count - 1..<ids.count])
        last[1..<2].copy(from: prefilled[2 * ids.count - 1..<2 * ids.count])
        var tokens: [Int32] = []
        var logits: (conditional: [Float], unconditional: [Float]) = ([], [])
        while tokens.count < count {
            let both = model.imageLogits(last)
            logits.conditional += both.row(0)
            logits.unconditional += both.row(1)
            let own = both[0..<1]
            own.guide(conditional: own, unconditional: both[1..<2], weight: weight)
            guard let token = own.greatest.map({ Int32($0) }) else { break }
            tokens.append(token)
            guard tokens.count < count else { break }
            let next = try model.embed(imageTokens: [token, token])
            last = try model.forward(next, spans: [.init(row: 0), .init(row: 1)], cache: cache)
        }
        try compareFirstSteps(name + ".cond_logits", logits.conditional)
        try compareFirstSteps(name + ".uncond_logits", logits.unconditional)
        report.compare(ids: name + ".greedy_tokens", tokens, try expected.integers(name + ".greedy_tokens"))

        let pixels = try model.decodeImage(tokens: try expected.integers(name + ".greedy_tokens"))
        let planes = (0..<3).flatMap { pixels.columns($0..<$0 + 1).array() }
        report.compare(name + ".pixels", planes, try expected.floats(name + ".pixels"))
        report.compare(bytes: name + ".image", JanusModel.bytes(pixels: pixels), try expected.bytes(name + ".image"))
    }

    /// A file may hold the logits of the first steps only.
    private mutating func compareFirstSteps(_ key: String, _ logits: [Float]) throws {
        let known = try expected.floats(key)
        report.compare(key, Array(logits.prefix(max(known.count, 1))), known)
    }

    /// nil where a value is NaN.
    private func argMax(_ values: [Float]) -> Int32? {
        Matrix(values, rows: 1, columns: values.count).greatest.map { Int32($0) }
    }
}
