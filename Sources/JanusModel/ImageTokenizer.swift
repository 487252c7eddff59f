import JanusTensor

/// VQ-16: pictures to tokens and back. Source: the official `vq_model.py`.
struct ImageTokenizer {
    let configuration: ImageTokenizerConfiguration
    /// [codebook, code], each row of length 1
    private let codebook: Matrix
    private let decoder: [FeatureMapOperation]
    /// Picture → latent → code; nil where nobody encodes.
    private let encoder: (network: [FeatureMapOperation], quantize: Linear)?
    /// code → latent
    private let unquantize: Linear

    init(
        _ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights, encodes: Bool
    ) throws(ModelError) {
        self.configuration = configuration
        let latent = configuration.latentChannels
        let code = configuration.codeWidth
        let prefix = TensorNames.imageTokenizer
        // A copy: a pack's tensors are read-only.
        codebook = Matrix(rows: configuration.codebookSize, columns: code)
        codebook.copy(
            from: try reader.matrix(prefix + ".quantize.embedding.weight", [configuration.codebookSize, code]))
        codebook.normalizeRows()
        let encoderReader = encodes ? reader : reader.unread
        let quantize = try encoderReader.pointwise(prefix + ".quant_conv", outputs: code, inputs: latent)
        unquantize = try reader.pointwise(prefix + ".post_quant_conv", outputs: latent, inputs: code)
        let network = try Self.encoder(configuration, encoderReader)
        encoder = encodes ? (network, quantize) : nil
        decoder = try Self.decoder(configuration, reader)
    }

    /// tokens of the grid, row after row → [S · S, 3]
    func beginDecoding(_ tokens: [Int32]) throws(ModelError) -> FeatureMapRun {
        let side = configuration.gridSide
        precondition(tokens.count == side * side, "\(tokens.count) tokens for a grid of \(side) × \(side)")
        let codes = try EmbeddingRows(codebook).lookUp(tokens, table: "image codebook")  // [T, code]
        return FeatureMapRun(FeatureMap(height: side, width: side, pixels: unquantize(codes)), decoder)
    }

    /// pixels [S, S, 3] → tokens: the nearest code to each normalised latent.
    func encode(_ pixels: [Float], check: () throws(ModelError) -> Void) throws(ModelError) -> [Int32] {
        guard let encoder else { preconditionFailure("a model that was not loaded to encode") }
        let side = configuration.imageSize
        precondition(pixels.count == side * side * 3, "\(pixels.count) values for a picture of \(side) × \(side) × 3")
        let picture = FeatureMap(height: side, width: side, pixels: Matrix(pixels, rows: side * side, columns: 3))
        let latent = try FeatureMapRun(picture, encoder.network).finish(check: check)
        let codes = encoder.quantize(latent.pixels)  // [T, code]
        codes.normalizeRows()
        return try nearest(codes)
    }

    /// Of unit vectors the nearest is the one with the greatest product; the first of equals.
    private func nearest(_ codes: Matrix) throws(ModelError) -> [Int32] {
        var tokens: [Int32] = []
        for start in stride(from: 0, to: codes.rows, by: Self.nearestRows) {
            let block = codes[start..<min(start + Self.nearestRows, codes.rows)]
            let products = Matrix(rows: block.rows, columns: codebook.rows)
            block.multiply(byTransposed: codebook, into: products)
            for row in 0..<products.rows {
                guard let best = products[row..<row + 1].greatest else {
                    throw .encodingNotFinite
                }
                tokens.append(Int32(best))
            }
        }
        return tokens
    }

    private static let nearestRows = 64

    // MARK: the networks

    /// Picture → latent. Each level halves the sides but the last.
    private static func encoder(
        _ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights
    ) throws(ModelError) -> [FeatureMapOperation] {
        let name = TensorNames.imageTokenizer + ".encoder"
        var operations: [FeatureMapOperation] = [
            .convolve(try reader.convolution(name + ".conv_in", outputs: configuration.baseChannels, inputs: 3))
        ]
        var channels = configuration.baseChannels
        for (level, outputs) in configuration.levelChannels.enumerated() {
            let isLast = level == configuration.levelChannels.count - 1
            try operations.appendLevel(
                "\(name).down.\(level)", inputs: channels, outputs: outputs, count: configuration.encoderBlocks,
                attends: isLast, reader)
            if !isLast {
                operations.append(
                    .convolve(
                        try reader.convolution(
                            "\(name).down.\(level).downsample.conv", outputs: outputs, inputs: outputs,
                            resampling: .downsampling))
                )
            }
            channels = outputs
        }
        try operations.appendMiddle(name + ".mid", channels: channels, reader)
        try operations.appendEnd(name, channels: channels, outputs: configuration.latentChannels, reader)
        return operations
    }

    /// Latent → picture. Levels from the lowest resolution up; each doubles the sides but the last.
    private static func decoder(
        _ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights
    ) throws(ModelError) -> [FeatureMapOperation] {
        let name = TensorNames.imageTokenizer + ".decoder"
        var channels = configuration.levelChannels.last ?? configuration.baseChannels
        var operations: [FeatureMapOperation] = [
            .convolve(
                try reader.convolution(name + ".conv_in", outputs: channels, inputs: configuration.latentChannels))
        ]
        try operations.appendMiddle(name + ".mid", channels: channels, reader)
        for (index, outputs) in configuration.levelChannels.reversed().enumerated() {
            try operations.appendLevel(
                "\(name).up.\(index)", inputs: channels, outputs: outputs, count: configuration.decoderBlocks,
                attends: index == 0, reader)
            if index < configuration.levelChannels.count - 1 {
                operations.append(
                    .convolve(
                        try reader.convolution(
                            "\(name).up.\(index).upsample.conv", outputs: outputs, inputs: outputs,
                            resampling: .upsampling)))
            }
            channels = outputs
        }
        try operations.appendEnd(name, channels: channels, outputs: 3, reader)
        return operations
    }
}
