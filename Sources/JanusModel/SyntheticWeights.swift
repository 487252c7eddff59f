package import JanusJob
import JanusTensor

/// Noise of the right sizes, made on the spot in memory: speed does not depend on what weights say. Tables to look up are
/// noise too, so that tokens differ and pictures are pictures.
final class SyntheticWeights: ModelWeights {
    private let precision: PackedPrecision
    private var seed: UInt64 = 0

    init(_ precision: PackedPrecision) { self.precision = precision }

    func has(_ name: String) -> Bool { true }

    func matrix(_ name: String, _ shape: [Int]) -> Matrix {
        let rows = shape.count > 1 ? shape[0] : 1
        let count = shape.reduce(1, *)
        var generator = NoiseGenerator(seed: nextSeed())
        return Matrix(
            (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }, rows: rows,
            columns: count / max(rows, 1))
    }

    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) -> Matrix {
        Matrix([Float](repeating: name.hasSuffix(".weight") ? 1 : 0, count: count), rows: 1, columns: count)
    }

    func positions(_ name: String, _ tokens: Int, _ width: Int) -> Matrix { matrix(name, [tokens, width]) }

    func embeddingRows(_ name: String, rows: Int, columns: Int) -> EmbeddingRows {
        EmbeddingRows(noiseRows: rows, columns: columns, seed: nextSeed())
    }

    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) -> ImageTokenEmbeddings {
        ImageTokenEmbeddings(stored: embeddingRows(ImageTokenEmbeddings.name, rows: codebook, columns: hidden))
    }

    func linear(_ layer: LinearLayer) -> Linear {
        Linear(
            packed: noise(layer), bias: layer.hasBias ? vector(layer.name + ".bias", layer.outputs, makes: nil) : nil)
    }

    func packed(_ layer: LinearLayer) -> PackedMatrix? { noise(layer) }

    var unread: any ModelWeights { ListedWeights() }

    private func noise(_ layer: LinearLayer) -> PackedMatrix {
        PackedMatrix(noise: layer.layout(precision), seed: nextSeed())
    }

    private func nextSeed() -> UInt64 {
        seed += 1
        return seed
    }
}

/// Noise that is the same in every run (Steele, Lea and Flood's SplitMix64).
package struct NoiseGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Placeholders of the right sides.
private final class ListedWeights: ModelWeights {
    func has(_ name: String) -> Bool { true }
    func matrix(_ name: String, _ shape: [Int]) -> Matrix { .placeholder(shape) }
    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) -> Matrix { .placeholder([count]) }
    func positions(_ name: String, _ tokens: Int, _ width: Int) -> Matrix { .placeholder([tokens, width]) }
    func embeddingRows(_ name: String, rows: Int, columns: Int) -> EmbeddingRows {
        EmbeddingRows(.placeholder([rows, columns]))
    }
    func linear(_ layer: LinearLayer) -> Linear { .placeholder(layer) }
    func packed(_ layer: LinearLayer) -> PackedMatrix? { nil }
    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) -> ImageTokenEmbeddings {
        ImageTokenEmbeddings(stored: embeddingRows(ImageTokenEmbeddings.name, rows: codebook, columns: hidden))
    }
    var unread: any ModelWeights { self }
}

/// The two published sizes.
package enum ModelShape: String, Sendable, CaseIterable {
    case tiny
    case oneB = "1b"
    case sevenB = "7b"

    package var configuration: JanusConfiguration {
        let (hidden, mlp, layers, heads) =
            switch self {
            case .tiny: (256, 512, 2, 2)
            case .oneB: (2048, 5632, 24, 16)
            case .sevenB: (4096, 11_008, 30, 32)
            }
        // of the picture decoder
        let channels = self == .tiny ? 32 : 128
        return JanusConfiguration(
            layout: .huggingFace,
            vision: VisionConfiguration(
                imageSize: 384, patchSize: 16, width: 1024, layers: self == .tiny ? 1 : 24, heads: 16, mlpWidth: 4096,
                layerNormEpsilon: 1e-6),
            language: LanguageConfiguration(
                hiddenSize: hidden, mlpWidth: mlp, layers: layers, heads: heads, keyValueHeads: heads, headSize: 128,
                vocabularySize: self == .tiny ? 1024 : 102_400, positionsMax: 4096, normEpsilon: 1e-6,
                ropeTheta: 10_000, tiesEmbeddings: false),
            tokenizer: ImageTokenizerConfiguration(
                codebookSize: 16_384, codeWidth: 8, latentChannels: 256, baseChannels: channels,
                levelChannels: [1, 1, 2, 2, 4].map { $0 * channels }, encoderBlocks: 2, decoderBlocks: 3, gridSide: 24))
    }
}

extension JanusModel {
    /// A model of real sizes and no meaning, to measure with.
    package static func synthetic(
        _ configuration: JanusConfiguration, precision: PackedPrecision
    ) throws(ModelError) -> JanusModel {
        try JanusModel(
            configuration, precision: precision, fingerprint: "synthetic",
            weights: SyntheticWeights(precision), encodes: false)
    }
}
