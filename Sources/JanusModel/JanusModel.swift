package import JanusJob
package import JanusTensor

/// A loaded Janus-Pro, in f32 or from a pack. Pure compute: no tokenizer, no pictures' files, no sampling.
///
/// Not `Sendable`: it keeps scratch memory and belongs to one thread or actor. Matrices that it returns are new and the
/// caller's. Sizes that the caller controls (rows, counts) trap when they are wrong; what a checkpoint or tokenizer can
/// get wrong is thrown.
package final class JanusModel {
    package let configuration: JanusConfiguration
    /// Of a pack's language model; nil is f32.
    package let precision: PackedPrecision?
    /// Lower-case hex SHA-256: of a checkpoint over config.json, every weight file's safetensors header and size (weights
    /// themselves are not read for it: that would cost as much as loading them); of a pack over its header, which holds
    /// the hash of all its content.
    package let fingerprint: String
    /// Asked between layers and blocks (a few milliseconds apart at real sizes on few rows); true makes the running call
    /// throw `ModelError.interrupted`. A cache that a `forward` was writing keeps its lengths as before that call.
    package var interrupt: () -> Bool = { false }

    private let vision: VisionTower
    private let aligner: Adaptor
    private var language: LanguageModel
    private let imageTokenEmbeddings: ImageTokenEmbeddings
    private var generationHead: GenerationHead
    private let imageTokenizer: ImageTokenizer

    init(
        _ configuration: JanusConfiguration, precision: PackedPrecision? = nil, fingerprint: String,
        weights reader: any ModelWeights, encodes: Bool
    ) throws(ModelError) {
        let hidden = configuration.hiddenSize
        var own = configuration
        own.keyValueFormat = precision?.keyValueFormat
        self.configuration = own
        self.precision = precision
        self.fingerprint = fingerprint
        language = try LanguageModel(configuration.language, reader)
        vision = try VisionTower(configuration.vision, reader)
        aligner = try Adaptor(TensorNames.aligner, inputs: configuration.vision.width, hidden: hidden, reader)
        imageTokenEmbeddings = try reader.imageTokenEmbeddings(
            codebook: configuration.codebookSize, codeWidth: configuration.tokenizer.codeWidth, hidden: hidden)
        generationHead = try GenerationHead(
            hidden: hidden, codebook: configuration.codebookSize, reads: LanguageModel.states, reader)
        imageTokenizer = try ImageTokenizer(configuration.tokenizer, reader, encodes: encodes)
    }

    /// As `load(_:)`, of what a path stands for.
    /// - Parameter directory: a checkpoint, a pack, or a directory with one pack (`ModelLocation`).
    package static func load(
        directory: String, encodes: Bool = false, progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelError) -> JanusModel {
        try load(ModelLocation.find(directory), encodes: encodes, progress: progress)
    }

    /// Maps a checkpoint, checks every tensor and converts it to f32; or maps a pack, which needs no conversion.
    /// - Parameters:
    ///   - encodes: whether `encodeImage` will be called. What only it needs is else checked, and not read.
    ///   - progress: told the fraction of bytes converted, from 0 to 1.
    package static func load(
        _ location: ModelLocation, encodes: Bool = false, progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelError) -> JanusModel {
        switch location {
        case .checkpoint(let directory):
            let source = try CheckpointDirectory(directory)
            return try load(
                source.configuration, from: source.checkpoint, fingerprint: source.fingerprint, encodes: encodes,
                progress: progress)
        case .pack(let file):
            let pack = try PackFile(path: file)
            let weights = PackedWeights(pack)
            let model = try JanusModel(
                pack.configuration, precision: pack.precision, fingerprint: pack.fingerprint, weights: weights,
                encodes: encodes)
            try weights.finish()
            progress(1)
            return model
        }
    }

    /// As `load(_:)`, of weights that any reader gives under the names of the configuration's layout.
    package static func load(
        _ configuration: JanusConfiguration, from checkpoint: any Checkpoint, fingerprint: String,
        encodes: Bool = false, progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelError) -> JanusModel {
        let reader = WeightReader(checkpoint, layout: configuration.layout, progress: progress)
        let model = try JanusModel(configuration, fingerprint: fingerprint, weights: reader, encodes: encodes)
        try reader.finish()
        return model
    }

    /// The parts of a checkpoint or pack, read from its headers only.
    package static func describe(_ location: ModelLocation) throws(ModelError) -> ModelDescription {
        switch location {
        case .checkpoint(let directory): try CheckpointDirectory(directory).describe()
        case .pack(let file): try PackFile(path: file).describe()
        }
    }

    private func check() throws(ModelError) {
        if interrupt() { throw .interrupted }
    }

    // MARK: understanding

    /// - Parameter pixels: [S, S, 3] normalised by the processor (usually −1…1), row after row, S = imageSize.
    /// - Returns: [imageTokens, vision width], after the tower's last norm.
    package func visionFeatures(pixels: [Float]) throws(ModelError) -> Matrix {
        var run = beginVision(pixels: pixels)
        while !run.isDone {
            try check()
            run.advance()
        }
        return run.features
    }

    /// `visionFeatures` in parts: whoever calls `advance` until `isDone` may compute anything else between.
    package func beginVision(pixels: [Float]) -> VisionRun { vision.beginVision(pixels: pixels) }

    /// The understanding adaptor. - Returns: [rows, hidden].
    package func alignVision(_ features: Matrix) -> Matrix { aligner(features) }

    /// `alignVision(visionFeatures(pixels))`: what stands in a prompt for a picture, [imageTokens, hidden].
    package func imageEmbeddings(pixels: [Float]) throws(ModelError) -> Matrix {
        alignVision(try visionFeatures(pixels: pixels))
    }

    // MARK: language model

    /// - Returns: [tokens, hidden].
    package func embed(tokens: [Int32]) throws(ModelError) -> Matrix {
        try language.embedding.lookUp(tokens, table: "vocabulary")
    }

    /// As `embed(tokens:)`, into a matrix of those sides.
    package func embed(tokens: [Int32], into out: Matrix) throws(ModelError) {
        try language.embedding.lookUp(tokens, table: "vocabulary", into: out)
    }

    /// As `embed(tokens:)`, but each token equal to `placeholder` takes the next row of the pictures, in order. The
    /// placeholders must be as many as the pictures have rows.
    package func embed(tokens: [Int32], placeholder: Int32, pictures: [Matrix]) throws(ModelError) -> Matrix {
        let out = try embed(tokens: tokens)
        let places = tokens.indices.filter { tokens[$0] == placeholder }
        precondition(
            places.count == pictures.reduce(0) { $0 + $1.rows },
            "\(places.count) placeholders for \(pictures.count) pictures")
        var next = 0
        for picture in pictures {
            for row in 0..<picture.rows {
                out[places[next]..<places[next] + 1].copy(from: picture[row..<row + 1])
                next += 1
            }
        }
        return out
    }

    /// Runs new positions of one or more cache rows through the language model and appends their keys and values.
    ///
    /// A prompt is one span (or several, chunk after chunk); a decoding step is one span of one position for each row, so
    /// that the weights are read once for all of them.
    /// - Parameters:
    ///   - embeddings: [Σ positions, hidden], span after span.
    ///   - spans: which cache row, and how many of its next positions; each row at most once.
    /// - Returns: [Σ positions, hidden] after the last norm.
    package func forward(_ embeddings: Matrix, spans: [Span], cache: KVCache) throws(ModelError) -> Matrix {
        let out = Matrix(rows: embeddings.rows, columns: embeddings.columns)
        try forward(embeddings, spans: spans, cache: cache, into: out)
        return out
    }

    /// Takes the memory of passes and logits of up to so many rows, at positions below `positions`; for the calling thread,
    /// which is to be the one that calls them.
    package func reserve(rows: Int, positions: Int) {
        language.reserve(rows: rows, positions: positions)
        generationHead.reserve(rows: rows)
    }

    /// As `forward(_:spans:cache:)`, into a matrix of the embeddings' sides. With packed weights a step (one position for
    /// each row) of no more rows than were reserved, or than there ever were, takes no memory.
    package func forward(
        _ embeddings: Matrix, spans: [Span], cache: KVCache, into out: Matrix
    ) throws(ModelError) {
        try language.forward(embeddings, spans: spans, cache: cache, into: out, check: check)
    }

    package struct Span: Sendable, Equatable {
        package var row: Int
        package var positions: Int
        package init(row: Int, positions: Int = 1) {
            self.row = row
            self.positions = positions
        }
    }

    /// - Returns: [rows, vocabulary]
    package func textLogits(_ hidden: Matrix) -> Matrix {
        let out = Matrix(rows: hidden.rows, columns: configuration.language.vocabularySize)
        textLogits(hidden, into: out)
        return out
    }

    /// The same, into a matrix of those sides.
    package func textLogits(_ hidden: Matrix, into out: Matrix) { language.logits(hidden, into: out) }

    // MARK: generation

    /// - Returns: [rows, codebook], before guidance.
    package func imageLogits(_ hidden: Matrix) -> Matrix { generationHead(hidden) }

    /// The same, into a matrix of those sides.
    package func imageLogits(_ hidden: Matrix, into out: Matrix) { generationHead.apply(hidden, into: out) }

    /// What is fed back for drawn image tokens: gen_aligner(gen_embed(token)), [tokens, hidden].
    package func embed(imageTokens: [Int32]) throws(ModelError) -> Matrix {
        try imageTokenEmbeddings.lookUp(imageTokens)
    }

    /// As `embed(imageTokens:)`, into a matrix of those sides.
    package func embed(imageTokens: [Int32], into out: Matrix) throws(ModelError) {
        try imageTokenEmbeddings.lookUp(imageTokens, into: out)
    }

    /// VQ decode of one picture's tokens. - Returns: [S·S, 3], pixel after pixel, about −1…1.
    package func decodeImage(tokens: [Int32]) throws(ModelError) -> Matrix {
        try beginDecoding(imageTokens: tokens).finish(check: check).pixels
    }

    /// `decodeImage` in parts: whoever calls `advance` until `isDone` may compute anything else between.
    package func beginDecoding(imageTokens tokens: [Int32]) throws(ModelError) -> FeatureMapRun {
        try imageTokenizer.beginDecoding(tokens)
    }

    /// 8-bit RGB [S, S, 3] of `decodeImage`'s values, clipped and truncated as the official code does.
    package static func bytes(pixels: Matrix) -> [UInt8] { pixels.pixelBytes() }

    /// VQ encode, original semantics, of a model that was loaded for it. - Parameter pixels: [S, S, 3], −1…1. - Returns: generationTokens ids.
    package func encodeImage(pixels: [Float]) throws(ModelError) -> [Int32] {
        try imageTokenizer.encode(pixels, check: check)
    }
}
