import JanusTensor

/// GroupNorm of 32 groups, ε 1e-6, then swish where asked. Weight and bias [1, channels].
struct GroupNorm {
    private let weight: Matrix
    private let bias: Matrix
    private static let groups = 32
    private static let epsilon: Float = 1e-6

    init(_ name: String, _ channels: Int, _ reader: any ModelWeights) throws(ModelError) {
        weight = try reader.vector(name + ".weight", channels, makes: nil)
        bias = try reader.vector(name + ".bias", channels, makes: nil)
    }

    func callAsFunction(_ x: FeatureMap) -> FeatureMap { with(swish: false)(x) }

    func with(swish: Bool) -> FeatureMapNorm {
        FeatureMapNorm(weight: weight, bias: bias, groups: Self.groups, epsilon: Self.epsilon, swish: swish)
    }
}

/// x + conv(swish(norm(conv(swish(norm(x)))))), with a 1×1 convolution of x where the channels change.
struct ResidualBlock {
    private let norm1: GroupNorm
    private let conv1: Convolution3x3
    private let norm2: GroupNorm
    private let conv2: Convolution3x3
    private let shortcut: Linear?

    init(_ name: String, inputs: Int, outputs: Int, _ reader: any ModelWeights) throws(ModelError) {
        norm1 = try GroupNorm(name + ".norm1", inputs, reader)
        conv1 = try reader.convolution(name + ".conv1", outputs: outputs, inputs: inputs)
        norm2 = try GroupNorm(name + ".norm2", outputs, reader)
        conv2 = try reader.convolution(name + ".conv2", outputs: outputs, inputs: outputs)
        shortcut =
            inputs == outputs
            ? nil : try reader.pointwise(name + ".nin_shortcut", outputs: outputs, inputs: inputs)
    }

    /// [h · w, inputs] → [h · w, outputs]
    var operations: [FeatureMapOperation] {
        [
            .branch(shortcut), .convolve(conv1, norm: norm1.with(swish: true)),
            .convolveOntoBranch(conv2, norm: norm2.with(swish: true)),
        ]
    }
}

/// x + projection(attention(norm(x))), one head of all channels, every pixel against every other.
struct PixelAttention {
    private let norm: GroupNorm
    private let query: Linear
    private let key: Linear
    private let value: Linear
    private let projection: Linear

    init(_ name: String, channels: Int, _ reader: any ModelWeights) throws(ModelError) {
        norm = try GroupNorm(name + ".norm", channels, reader)
        query = try reader.pointwise(name + ".q", outputs: channels, inputs: channels)
        key = try reader.pointwise(name + ".k", outputs: channels, inputs: channels)
        value = try reader.pointwise(name + ".v", outputs: channels, inputs: channels)
        projection = try reader.pointwise(name + ".proj_out", outputs: channels, inputs: channels)
    }

    /// x is overwritten.
    func callAsFunction(_ x: FeatureMap) -> FeatureMap {
        let normed = norm(x).pixels
        let attended = Matrix(rows: normed.rows, columns: normed.columns)
        Attention.attend(
            queries: query(normed), keys: key(normed), values: value(normed), heads: 1, keyHeads: 1, causal: false,
            isInvariant: query.isInvariant, into: attended)
        projection.apply(attended, into: x.pixels, accumulate: true)
        return x
    }
}

extension [FeatureMapOperation] {
    /// Blocks of one resolution; at the lowest each is followed by attention.
    mutating func appendLevel(
        _ name: String, inputs: Int, outputs: Int, count: Int, attends: Bool, _ reader: any ModelWeights
    ) throws(ModelError) {
        for index in 0..<count {
            self += try ResidualBlock(
                "\(name).block.\(index)", inputs: index == 0 ? inputs : outputs, outputs: outputs, reader
            ).operations
            if attends { append(.attend(try PixelAttention("\(name).attn.\(index)", channels: outputs, reader))) }
        }
    }

    /// Block, attention, block: between the lowest resolution and the latent.
    mutating func appendMiddle(_ name: String, channels: Int, _ reader: any ModelWeights) throws(ModelError) {
        self += try ResidualBlock(name + ".block_1", inputs: channels, outputs: channels, reader).operations
        append(.attend(try PixelAttention(name + ".attn_1", channels: channels, reader)))
        self += try ResidualBlock(name + ".block_2", inputs: channels, outputs: channels, reader).operations
    }

    /// The last norm and convolution.
    mutating func appendEnd(
        _ name: String, channels: Int, outputs: Int, _ reader: any ModelWeights
    ) throws(ModelError) {
        let norm = try GroupNorm(name + ".norm_out", channels, reader)
        append(
            .convolve(
                try reader.convolution(name + ".conv_out", outputs: outputs, inputs: channels),
                norm: norm.with(swish: true)))
    }
}
