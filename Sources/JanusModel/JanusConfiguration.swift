package import JanusJob
import JanusTensor

/// Which of the two official layouts names the tensors.
package enum CheckpointLayout: String, Sendable, Codable {
    case huggingFace = "transformers"
    case original
}

/// All sizes of a model, from its config.json and its tensors' shapes.
package struct JanusConfiguration: Sendable, Equatable, Codable {
    package var layout: CheckpointLayout
    package var vision: VisionConfiguration
    package var language: LanguageConfiguration
    package var tokenizer: ImageTokenizerConfiguration
    /// How keys and values are kept, nil where the weights are in f32: then they are, too. Not part of the architecture, and not
    /// encoded: a pack's precision has a default, and whoever runs it may choose.
    package var keyValueFormat: KeyValueFormat?

    private enum CodingKeys: String, CodingKey {
        case layout, vision, language, tokenizer
    }

    /// With keys and values as chosen; nil leaves the default. In f32 there is no choice.
    package func keeping(_ format: KeyValueFormat?) -> JanusConfiguration {
        var configuration = self
        if keyValueFormat != nil, let format { configuration.keyValueFormat = format }
        return configuration
    }

    /// Side of the square pictures that go in and come out, in pixels (384).
    package var imageSize: Int { vision.imageSize }
    /// Embeddings that a picture becomes in a prompt: the number of `<image_placeholder>` (576).
    package var imageTokens: Int { vision.tokens }
    /// Tokens to draw for one picture (576), row after row from the top left.
    package var generationTokens: Int { tokenizer.gridSide * tokenizer.gridSide }
    /// Image tokens to draw from (16,384).
    package var codebookSize: Int { tokenizer.codebookSize }
    /// Text tokens to draw from (102,400).
    package var vocabularySize: Int { language.vocabularySize }
    /// Width of an embedding (2048 or 4096).
    package var hiddenSize: Int { language.hiddenSize }
    /// Bytes of KV cache that a row of so many positions takes: whole pages, where it is in pages.
    package func cacheBytes(positions: Int) -> Int {
        guard let keyValueFormat else { return positions * cacheBytesPerPosition }
        return KeyValuePagePool.bytes(
            positions: positions, layers: language.layers, heads: language.keyValueHeads, headSize: language.headSize,
            format: keyValueFormat)
    }

    /// Bytes of KV cache for one position of one row.
    package var cacheBytesPerPosition: Int {
        let (heads, size) = (language.keyValueHeads, language.headSize)
        guard let keyValueFormat else { return language.layers * 2 * heads * size * MemoryLayout<Float>.stride }
        return language.layers * KeyValuePagePool.bytesPerPosition(heads: heads, headSize: size, format: keyValueFormat)
    }
}

extension PackedPrecision {
    /// What keys and values are kept in unless chosen otherwise: as wide as the weights, but not narrower than 8 bits.
    package var keyValueFormat: KeyValueFormat {
        switch self {
        case .bf16: .bf16
        case .int8, .int4: .int8
        }
    }
}

/// The understanding encoder (SigLIP).
package struct VisionConfiguration: Sendable, Equatable, Codable {
    package var imageSize: Int
    package var patchSize: Int
    package var width: Int
    package var layers: Int
    package var heads: Int
    package var mlpWidth: Int
    package var layerNormEpsilon: Float

    package var tokens: Int { (imageSize / patchSize) * (imageSize / patchSize) }
}

/// The language model (Llama).
package struct LanguageConfiguration: Sendable, Equatable, Codable {
    package var hiddenSize: Int
    package var mlpWidth: Int
    package var layers: Int
    package var heads: Int
    package var keyValueHeads: Int
    package var headSize: Int
    package var vocabularySize: Int
    /// What the config says (16,384); the report trains 4,096.
    package var positionsMax: Int
    package var normEpsilon: Float
    package var ropeTheta: Double
    package var tiesEmbeddings: Bool
}

/// The generation tokenizer (VQ-16).
package struct ImageTokenizerConfiguration: Sendable, Equatable, Codable {
    package var codebookSize: Int
    package var codeWidth: Int
    /// Channels between the quantiser and the two halves (256).
    package var latentChannels: Int
    /// Channels between the picture and the first level (128).
    package var baseChannels: Int
    /// Channels of each level, the highest resolution first (128, 128, 256, 256, 512).
    package var levelChannels: [Int]
    /// Residual blocks of each level (2 and 3).
    package var encoderBlocks: Int
    package var decoderBlocks: Int
    /// Tokens along one side of a picture (24).
    package var gridSide: Int

    package var imageSize: Int { gridSide << (levelChannels.count - 1) }
}
