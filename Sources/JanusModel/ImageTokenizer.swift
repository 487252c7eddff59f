import JanusTensor

/// VQ-16: pictures to tokens and back. Source: the official `vq_model.py`.
struct ImageTokenizer {
    let configuration: ImageTokenizerConfiguration
    /// [codebook, code], each row of length 1
    private let codebook: Matrix
    private let encoder: TokenizerEncoder
    private let decoder: TokenizerDecoder
    /// latent → code and back
    private let quantize: Linear
    private let unquantize: Linear

    init(_ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        self.configuration = configuration
        let latent = configuration.latentChannels
        let code = configuration.codeWidth
        // A copy: a pack's tensors are read-only.
        codebook = Matrix(rows: configuration.codebookSize, columns: code)
        codebook.copy(
            from: try reader.matrix("model.vqmodel.quantize.embedding.weight", [configuration.codebookSize, code]))
        codebook.normalizeRows()
        quantize = try reader.pointwise("model.vqmodel.quant_conv", outputs: code, inputs: latent)
        unquantize = try reader.pointwise("model.vqmodel.post_quant_conv", outputs: latent, inputs: code)
        encoder = try TokenizerEncoder(configuration, reader)
        decoder = try TokenizerDecoder(configuration, reader)
    }

    /// tokens of the grid, row after row → [S · S, 3]
    func decode(_ tokens: [Int32], check: () throws(ModelError) -> Void) throws(ModelError) -> Matrix {
        let side = configuration.gridSide
        precondition(tokens.count == side * side, "\(tokens.count) tokens for a grid of \(side) × \(side)")
        let codes = try Table(codebook).lookUp(tokens, table: "image codebook")  // [T, code]
        return try decoder(Picture(height: side, width: side, pixels: unquantize(codes)), check: check)
    }

    /// pixels [S, S, 3] → tokens: the nearest code to each normalised latent.
    func encode(_ pixels: [Float], check: () throws(ModelError) -> Void) throws(ModelError) -> [Int32] {
        let side = configuration.imageSize
        precondition(pixels.count == side * side * 3, "\(pixels.count) values for a picture of \(side) × \(side) × 3")
        let picture = Picture(height: side, width: side, pixels: Matrix(pixels, rows: side * side, columns: 3))
        let codes = quantize(try encoder(picture, check: check))  // [T, code]
        codes.normalizeRows()
        return nearest(codes)
    }

    /// Of unit vectors the nearest is the one with the greatest product; the first of equals.
    private func nearest(_ codes: Matrix) -> [Int32] {
        var tokens: [Int32] = []
        for start in stride(from: 0, to: codes.rows, by: Self.nearestRows) {
            let block = codes[start..<min(start + Self.nearestRows, codes.rows)]
            let products = Matrix(rows: block.rows, columns: codebook.rows)
            block.multiply(byTransposed: codebook, into: products)
            for row in 0..<products.rows {
                let values = products.row(row)
                var best = 0
                for index in values.indices where values[index] > values[best] { best = index }
                tokens.append(Int32(best))
            }
        }
        return tokens
    }

    private static let nearestRows = 64
}

/// Picture → latent. Each level halves the sides but the last.
private struct TokenizerEncoder {
    private let input: Convolution3x3
    private var levels: [TokenizerLevel] = []
    private var halvings: [Convolution3x3] = []
    private let middle: TokenizerMiddle
    private let norm: GroupNorm
    private let output: Convolution3x3

    init(_ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        let name = "model.vqmodel.encoder"
        input = try reader.convolution(name + ".conv_in", outputs: configuration.baseChannels, inputs: 3)
        var channels = configuration.baseChannels
        for (level, outputs) in configuration.levelChannels.enumerated() {
            let isLast = level == configuration.levelChannels.count - 1
            levels.append(
                try TokenizerLevel(
                    "\(name).down.\(level)", inputs: channels, outputs: outputs, count: configuration.encoderBlocks,
                    attends: isLast, reader))
            if !isLast {
                halvings.append(
                    try reader.convolution(
                        "\(name).down.\(level).downsample.conv", outputs: outputs, inputs: outputs, walk: .halving))
            }
            channels = outputs
        }
        middle = try TokenizerMiddle(name + ".mid", channels: channels, reader)
        norm = try GroupNorm(name + ".norm_out", channels, reader)
        output = try reader.convolution(name + ".conv_out", outputs: configuration.latentChannels, inputs: channels)
    }

    func callAsFunction(_ picture: Picture, check: () throws(ModelError) -> Void) throws(ModelError) -> Matrix {
        var x = input(picture)
        for (index, level) in levels.enumerated() {
            x = try level(x, check: check)
            if halvings.indices.contains(index) { x = halvings[index](x) }
        }
        return output(middle(x), norm: norm.with(swish: true)).pixels
    }
}

/// Latent → picture. Levels from the lowest resolution up; each doubles the sides but the last.
private struct TokenizerDecoder {
    private let input: Convolution3x3
    private let middle: TokenizerMiddle
    private var levels: [TokenizerLevel] = []
    private var doublings: [Convolution3x3] = []
    private let norm: GroupNorm
    private let output: Convolution3x3

    init(_ configuration: ImageTokenizerConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        let name = "model.vqmodel.decoder"
        var channels = configuration.levelChannels.last ?? configuration.baseChannels
        input = try reader.convolution(name + ".conv_in", outputs: channels, inputs: configuration.latentChannels)
        middle = try TokenizerMiddle(name + ".mid", channels: channels, reader)
        for (index, outputs) in configuration.levelChannels.reversed().enumerated() {
            levels.append(
                try TokenizerLevel(
                    "\(name).up.\(index)", inputs: channels, outputs: outputs, count: configuration.decoderBlocks,
                    attends: index == 0, reader))
            if index < configuration.levelChannels.count - 1 {
                doublings.append(
                    try reader.convolution("\(name).up.\(index).upsample.conv", outputs: outputs, inputs: outputs))
            }
            channels = outputs
        }
        norm = try GroupNorm(name + ".norm_out", channels, reader)
        output = try reader.convolution(name + ".conv_out", outputs: 3, inputs: channels)
    }

    func callAsFunction(_ latent: Picture, check: () throws(ModelError) -> Void) throws(ModelError) -> Matrix {
        var x = middle(input(latent))
        for (index, level) in levels.enumerated() {
            x = try level(x, check: check)
            if doublings.indices.contains(index) { x = doublings[index](x, doubled: true) }
        }
        return output(x, norm: norm.with(swish: true)).pixels
    }
}
