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
    /// A piece of a picture's decoding.
    private enum Work {
        /// 3×3, to a picture of `side`; a doubling one from half of that.
        case convolution(side: Int, inputs: Int, outputs: Int, doubles: Bool = false)
        case pointwise(pixels: Int, inputs: Int, outputs: Int)
        case attention(pixels: Int, channels: Int)
    }

    /// The course of `ImageTokenizer.decoder`.
    private var decoding: [Work] {
        var side = gridSide
        var channels = levelChannels.last ?? baseChannels
        var works: [Work] = [
            .pointwise(pixels: side * side, inputs: codeWidth, outputs: latentChannels),
            .convolution(side: side, inputs: latentChannels, outputs: channels),
        ]
        works += Array(repeating: .convolution(side: side, inputs: channels, outputs: channels), count: 4)
        works.append(.attention(pixels: side * side, channels: channels))
        for (level, outputs) in levelChannels.reversed().enumerated() {
            for _ in 0..<decoderBlocks {
                works.append(.convolution(side: side, inputs: channels, outputs: outputs))
                works.append(.convolution(side: side, inputs: outputs, outputs: outputs))
                if channels != outputs {
                    works.append(.pointwise(pixels: side * side, inputs: channels, outputs: outputs))
                }
                channels = outputs
                if level == 0 { works.append(.attention(pixels: side * side, channels: outputs)) }
            }
            if level < levelChannels.count - 1 {
                side *= 2
                works.append(.convolution(side: side, inputs: outputs, outputs: outputs, doubles: true))
            }
        }
        return works + [.convolution(side: side, inputs: channels, outputs: 3)]
    }

    /// Multiplications of decoding one picture from a pack, attention counted. Of convolutions that double the picture, those
    /// of the phases, which are four ninths of the enlarged picture's.
    package var decodeProducts: Int {
        decoding.reduce(0) { $0 + Self.products($1) }
    }

    /// Of one part of that, at most: what `FeatureMapRun.advance` does at once.
    package func decodingPartProductsMax(isPacked: Bool) -> Int {
        decoding.reduce(0) { most, work in
            switch work {
            case .convolution(let side, let inputs, let outputs, let doubles):
                max(
                    most,
                    Convolution3x3.partProductsMax(
                        side: side, inputs: inputs, outputs: outputs, resampling: doubles ? .upsampling : .same,
                        isPacked: isPacked))
            case .pointwise, .attention: max(most, Self.products(work))
            }
        }
    }

    private static func products(_ work: Work) -> Int {
        switch work {
        case .convolution(let side, let inputs, let outputs, let doubles):
            side * side * (doubles ? 4 : 9) * inputs * outputs
        case .pointwise(let pixels, let inputs, let outputs): pixels * inputs * outputs
        case .attention(let pixels, let channels): pixels * channels * (4 * channels + 2 * pixels)
        }
    }
}
