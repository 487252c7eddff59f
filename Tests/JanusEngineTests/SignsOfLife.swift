import JanusEngine
import JanusModel
import JanusTensor

/// What a worker computes at most between two calls of its jobs' observers, which are its signs of life: in multiplications
/// with an addition, from the model's sizes and the batch's bounds. Each figure is of one stretch between two places in the
/// code that ask an observer; the tests compare them with what is counted.
struct SignsOfLife {
    private let configuration: JanusConfiguration
    private let isPacked: Bool
    private let bounds: Bounds

    /// How much a pass may be about.
    struct Bounds {
        /// Positions of a pass: of sequences and of pieces of prompts.
        var positions: Int
        /// Rows that draw image tokens, and rows that draw text tokens, from one step's logits.
        var imageRows: Int
        var textRows: Int
        /// Keys that a position sees.
        var context: Int

        init(positions: Int, imageRows: Int, textRows: Int, context: Int) {
            self.positions = positions
            self.imageRows = imageRows
            self.textRows = textRows
            self.context = context
        }

        /// Of a batch that is as full as it can be.
        static func full(_ configuration: JanusConfiguration, _ options: Engine.Options) -> Bounds {
            Bounds(
                positions: BatchResources.passPositionsMax, imageRows: BatchResources.rowsMax,
                textRows: min(options.jobsMax, BatchResources.rowsMax),
                context: min(options.contextTokensMax, configuration.language.positionsMax))
        }
    }

    /// - Parameter isPacked: else in f32.
    init(_ configuration: JanusConfiguration, isPacked: Bool, _ bounds: Bounds) {
        self.configuration = configuration
        self.isPacked = isPacked
        self.bounds = bounds
    }

    var multiplyAddsMax: Int { max(layer, drawing, vision, picture) }

    /// Within a pass, from one layer's beginning to the next: `JanusModel.interrupt`.
    var layer: Int { layer(keysSeen: bounds.positions * bounds.context) }

    /// - Parameter keysSeen: by all of its positions together.
    func layer(keysSeen: Int) -> Int {
        let language = configuration.language
        return bounds.positions * language.stepWeights / language.layers
            + 2 * keysSeen * language.heads * language.headSize
    }

    /// From the beginning of a step to the first layer: logits of all that draw, and what is fed back, which a pack has in a
    /// table.
    var drawing: Int {
        let hidden = configuration.hiddenSize
        let codeWidth = configuration.tokenizer.codeWidth
        let fed = isPacked ? 0 : hidden * (codeWidth + hidden)
        return bounds.imageRows * (hidden * (hidden + configuration.codebookSize) + fed)
            + bounds.textRows * configuration.vocabularySize * hidden
    }

    /// A part of a picture's way through the understanding encoder, or the adaptor behind it.
    var vision: Int {
        let vision = configuration.vision
        let (width, hidden) = (vision.width, configuration.hiddenSize)
        return vision.tokens
            * max(
                vision.patchWeights, 4 * width * width + 2 * vision.tokens * width,
                width * vision.mlpWidth, hidden * (width + hidden))
    }

    /// A part of a picture's decoding.
    var picture: Int { configuration.tokenizer.decodingPartProductsMax(isPacked: isPacked) }
}
