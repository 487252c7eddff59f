package import JanusJob
import JanusTensor

/// What the parts of a model cost at least, from its sizes alone: multiplications and bytes of weights.
extension LanguageConfiguration {
    /// Bytes of weights that a step reads in a pack of this precision, without the heads.
    package func stepBytes(_ precision: PackedPrecision) -> Int {
        func bytes(_ outputs: Int, _ inputs: Int) -> Int {
            let layout = PackedLayout(precision: precision, outputs: outputs, inputs: inputs)
            return layout.valuesBytes + layout.scalesBytes
        }
        let queries = heads * headSize
        let shared = keyValueHeads * headSize
        return layers
            * (bytes(queries + 2 * shared, hiddenSize) + bytes(hiddenSize, queries) + bytes(2 * mlpWidth, hiddenSize)
                + bytes(hiddenSize, mlpWidth))
    }

    /// Weights of the layers, each of which is a multiply and an add a row.
    package var stepWeights: Int {
        let queries = heads * headSize
        return layers
            * (hiddenSize * (2 * queries + 2 * keyValueHeads * headSize) + 3 * hiddenSize * mlpWidth)
    }
}

extension VisionConfiguration {
    /// Weights of the blocks, each of which is a multiply and an add a token.
    package var blockWeights: Int { layers * (4 * width * width + 2 * width * mlpWidth) }

    /// Of the patch embedding.
    package var patchWeights: Int { 3 * patchSize * patchSize * width }

    /// Multiplications of one picture's attention.
    package var attentionProducts: Int { 2 * layers * tokens * tokens * width }

}

extension ImageTokenizerConfiguration {
    /// Multiplications of decoding one picture from a pack, attention counted: the course of `ImageTokenizer.decoder`. Of
    /// convolutions that double the picture, those of the phases, which are four ninths of the enlarged picture's.
    package var decodeProducts: Int {
        var pixels = gridSide * gridSide
        func convolution(_ inputs: Int, _ outputs: Int) -> Int { pixels * 9 * inputs * outputs }
        func attention(_ channels: Int) -> Int { pixels * 4 * channels * channels + 2 * pixels * pixels * channels }
        var channels = levelChannels.last ?? baseChannels
        var total = pixels * codeWidth * latentChannels + convolution(latentChannels, channels)
        total += 4 * convolution(channels, channels) + attention(channels)
        for (level, outputs) in levelChannels.reversed().enumerated() {
            for _ in 0..<decoderBlocks {
                total += convolution(channels, outputs) + convolution(outputs, outputs)
                if channels != outputs { total += pixels * channels * outputs }
                channels = outputs
                if level == 0 { total += attention(outputs) }
            }
            if level < levelChannels.count - 1 {
                pixels *= 4
                total += convolution(outputs, outputs) * 4 / 9
            }
        }
        return total + convolution(channels, 3)
    }
}
