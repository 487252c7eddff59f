package import JanusTensor

/// SigLIP: patches → blocks → norm. Source: the official `siglip_vit.py` as Janus-Pro configures it (exact GELU, bias in
/// qkv, no class token, features after the last norm). T patches, W width.
struct VisionTower {
    let configuration: VisionConfiguration
    /// [W, 3 · patch · patch]
    private let patch: Linear
    /// [T, W]
    private let positions: Matrix
    private let blocks: [VisionBlock]
    private let norm: LayerNorm

    init(_ configuration: VisionConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        self.configuration = configuration
        let prefix = TensorNames.vision
        let width = configuration.width
        let size = configuration.patchSize
        let patchName = prefix + ".embeddings.patch_embedding"
        patch = try reader.linear(
            LinearLayer(
                name: patchName, parts: [.init(name: patchName, outputs: width)], sides: [3, size, size], hasBias: true,
                role: .picture, scaling: .fixed))
        let tokens = configuration.tokens
        positions = try reader.positions(prefix + ".embeddings.position_embedding.weight", tokens, width)
        var blocks: [VisionBlock] = []
        for layer in 0..<configuration.layers {
            blocks.append(try VisionBlock("\(prefix).encoder.layers.\(layer)", configuration, reader))
        }
        self.blocks = blocks
        norm = try LayerNorm(prefix + ".post_layernorm", width, configuration.layerNormEpsilon, makes: nil, reader)
    }

    /// pixels [S, S, 3] → [T, W]
    func beginVision(pixels: [Float]) -> VisionRun {
        let x = patch(patches(pixels))  // [T, W]
        x.add(positions)
        let scratch = VisionScratch(configuration, isPacked: patch.isInvariant)
        return VisionRun(x, blocks, norm, scratch)
    }

    /// [T, 3 · patch · patch]: each patch in the order of the kernel's weights, channel before row before column.
    private func patches(_ pixels: [Float]) -> Matrix {
        let size = configuration.patchSize
        let side = configuration.imageSize
        precondition(pixels.count == side * side * 3, "\(pixels.count) values for a picture of \(side) × \(side) × 3")
        let across = side / size
        var values = [Float](repeating: 0, count: pixels.count)
        var index = 0
        for token in 0..<across * across {
            let top = token / across * size
            let left = token % across * size
            for channel in 0..<3 {
                for row in top..<top + size {
                    for column in left..<left + size {
                        values[index] = pixels[(row * side + column) * 3 + channel]
                        index += 1
                    }
                }
            }
        }
        return Matrix(values, rows: across * across, columns: 3 * size * size)
    }
}

/// A picture on its way through the tower, in parts of some ten milliseconds at real sizes.
package struct VisionRun {
    /// [T, W]; the features once `isDone`.
    package private(set) var features: Matrix
    private var part = VisionPart.attention
    private var block = 0
    private let blocks: [VisionBlock]
    private let norm: LayerNorm
    private let scratch: VisionScratch
    package private(set) var isDone = false

    fileprivate init(_ x: Matrix, _ blocks: [VisionBlock], _ norm: LayerNorm, _ scratch: VisionScratch) {
        features = x
        self.blocks = blocks
        self.norm = norm
        self.scratch = scratch
    }

    /// Does the next part.
    package mutating func advance() {
        guard !isDone else { return }
        guard block < blocks.count else {
            features = norm(features)
            isDone = true
            return
        }
        switch part {
        case .attention:
            blocks[block].attend(features, scratch)
            part = .widen
        case .widen:
            blocks[block].widen(features, scratch)
            part = .narrow
        case .narrow:
            blocks[block].narrow(scratch, into: features)
            part = .attention
            block += 1
        }
    }
}

/// The parts of a block, in order.
private enum VisionPart {
    case attention
    case widen
    case narrow
}

/// What the blocks of one pass write to, one after the other.
private struct VisionScratch {
    /// [T, W]
    let normed: Matrix
    /// [T, 3W]
    let projected: Matrix
    /// [T, W]
    let attended: Matrix
    /// [T, mlp]
    let inner: Matrix
    /// Where the weights are packed.
    let tiles: PagedKeyValues?

    init(_ configuration: VisionConfiguration, isPacked: Bool) {
        let (tokens, width) = (configuration.tokens, configuration.width)
        normed = Matrix(rows: tokens, columns: width)
        projected = Matrix(rows: tokens, columns: 3 * width)
        attended = Matrix(rows: tokens, columns: width)
        inner = Matrix(rows: tokens, columns: configuration.mlpWidth)
        let heads = configuration.heads
        tiles =
            isPacked ? PagedKeyValues(positionsMax: tokens, heads: heads, headSize: width / heads) : nil
    }
}

/// x += attention(norm(x)); x += mlp(norm(x))
private struct VisionBlock {
    let heads: Int
    let norm1: LayerNorm
    /// [3W, W]: queries, keys, values
    let qkv: Linear
    let projection: Linear
    let norm2: LayerNorm
    let fc1: Linear
    let fc2: Linear

    init(_ prefix: String, _ configuration: VisionConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        let width = configuration.width
        heads = configuration.heads
        let attentionInput = ChannelGroup(prefix + ".layer_norm1")
        let values = ChannelGroup(prefix + ".self_attn.v_proj")
        let mlpInput = ChannelGroup(prefix + ".layer_norm2")
        let epsilon = configuration.layerNormEpsilon
        norm1 = try LayerNorm(attentionInput.name, width, epsilon, makes: attentionInput, reader)
        qkv = try reader.linear(
            LinearLayer(
                prefix + ".self_attn.qkv", parts: ["q", "k", "v"].map { ("\(prefix).self_attn.\($0)_proj", width) },
                inputs: width, hasBias: true, role: .vision,
                scaling: ChannelScaling(reads: attentionInput, makes: values)))
        projection = try reader.linear(
            LinearLayer(
                prefix + ".self_attn.projection_layer", outputs: width, inputs: width, role: .vision,
                scaling: ChannelScaling(reads: values)))
        norm2 = try LayerNorm(mlpInput.name, width, epsilon, makes: mlpInput, reader)
        let mlp = configuration.mlpWidth
        fc1 = try reader.linear(
            LinearLayer(
                prefix + ".mlp.fc1", outputs: mlp, inputs: width, role: .vision,
                scaling: ChannelScaling(reads: mlpInput)))
        // GELU is not linear in anything: the size of what it gives cannot be moved
        fc2 = try reader.linear(
            LinearLayer(prefix + ".mlp.fc2", outputs: width, inputs: mlp, role: .vision, scaling: .fixed))
    }

    /// x [T, W] += attention(norm(x))
    func attend(_ x: Matrix, _ scratch: VisionScratch) {
        let width = x.columns
        let (normed, projected, attended) = (scratch.normed, scratch.projected, scratch.attended)
        qkv.apply(normed, into: projected, prepare: norm1.preparation(of: x))
        Attention.attend(
            queries: projected.columns(0..<width), keys: projected.columns(width..<2 * width),
            values: projected.columns(2 * width..<3 * width), heads: heads, keyHeads: heads, causal: false,
            isInvariant: qkv.isInvariant, tiles: scratch.tiles, into: attended)
        projection.apply(attended, into: x, accumulate: true)
    }

    /// The first half of the MLP, x [T, W] → scratch.inner
    func widen(_ x: Matrix, _ scratch: VisionScratch) {
        fc1.apply(scratch.normed, into: scratch.inner, prepare: norm2.preparation(of: x))
    }

    /// The second half: x [T, W] += narrow(gelu(scratch.inner)). Each row is read again while it lies in the cache.
    func narrow(_ scratch: VisionScratch, into x: Matrix) {
        fc2.apply(scratch.inner, into: x, accumulate: true, prepare: .gelu)
    }
}

/// Weight and bias [1, width].
struct LayerNorm {
    let weight: Matrix
    let bias: Matrix
    let epsilon: Float

    init(
        _ name: String, _ width: Int, _ epsilon: Float, makes group: ChannelGroup?, _ reader: any ModelWeights
    ) throws(ModelError) {
        weight = try reader.vector(name + ".weight", width, makes: group)
        bias = try reader.vector(name + ".bias", width, makes: group)
        self.epsilon = epsilon
    }

    func callAsFunction(_ x: Matrix) -> Matrix { x.layerNorm(weight: weight, bias: bias, epsilon: epsilon) }
    func preparation(of x: Matrix) -> RowPreparation {
        .layerNorm(of: x, weight: weight, bias: bias, epsilon: epsilon)
    }
}
