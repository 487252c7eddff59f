import JanusTensor

/// Spreads the sizes of channels evenly between activations and the weights that read them, before both are rounded in
/// groups: one large channel of either would take the precision of its whole group.
///
/// Wherever a channel's factor can be moved from what makes it to what reads it without changing the function (a norm to the
/// columns behind it, rows of v to columns of o, rows of up to columns of down; in the vision tower the first two), it is
/// moved so that an activation's expected size and its weights' size become equal, up to one constant. The expected size
/// comes from the weights alone, as if what a norm puts out were of one size before its weight. After Nagel et al., "Data-Free Quantization
/// Through Weight Equalization and Bias Correction", ICCV 2019. A checkpoint whose channels were scaled up and their
/// readers down packs to the same numbers as before.
final class Equalizer {
    private let source: CheckpointDirectory
    private var vectors: [String: [Float]] = [:]
    private var blocks: [String: Block] = [:]

    /// What each channel's maker is divided and its reader multiplied by.
    private struct Block {
        var attentionInput: [Float]
        /// nil: several query heads share a channel of v.
        var values: [Float]?
        var mlpInput: [Float]
        /// nil in the vision tower: GELU is not linear in anything.
        var inner: [Float]?
    }

    private static let model = "model.language_model"
    private static let layers = model + ".layers."
    private static let visionLayers = "model.vision_model.encoder.layers."

    init(_ source: CheckpointDirectory) { self.source = source }

    /// Divides a norm's weight or bias [1, n] by its factors; other vectors stay.
    func apply(toVector name: String, _ vector: Matrix) throws(ModelError) {
        guard let factors = try factors(ofNorm: name) else { return }
        vector.multiplyColumns(by: factors.map { 1 / $0 })
    }

    /// Divides the bias [1, outputs] of values as their rows are divided; others stay.
    func apply(toBiasOf layer: LinearLayer, _ bias: Matrix) throws(ModelError) {
        guard let prefix = blockPrefix(layer.name), layer.name.hasSuffix(".self_attn.qkv"),
            let values = try block(prefix).values
        else { return }
        bias.columns(bias.columns - values.count..<bias.columns).multiplyColumns(by: values.map { 1 / $0 })
    }

    /// Scales rows and columns of a layer of a block or a head; other layers stay.
    func apply(to layer: LinearLayer, _ weights: Matrix) throws(ModelError) {
        if let prefix = blockPrefix(layer.name) {
            let block = try block(prefix)
            switch layer.name.dropFirst(prefix.count) {
            case ".self_attn.qkv":
                weights.multiplyColumns(by: block.attentionInput)
                if let values = block.values {
                    weights[weights.rows - values.count..<weights.rows].divideRows(by: values)
                }
            case ".self_attn.o_proj", ".self_attn.projection_layer":
                if let values = block.values { weights.multiplyColumns(by: values) }
            case ".mlp.gate_up", ".mlp.fc1":
                weights.multiplyColumns(by: block.mlpInput)
                if let inner = block.inner { weights[weights.rows - inner.count..<weights.rows].divideRows(by: inner) }
            case ".mlp.down_proj":
                if let inner = block.inner { weights.multiplyColumns(by: inner) }
            default: break
            }
        } else if readsLastNorm(layer.name), let factors = try factors(ofNorm: Self.model + ".norm.weight") {
            weights.multiplyColumns(by: factors)
        }
    }

    /// Of a layer of either tower, up to its number.
    private func blockPrefix(_ name: String) -> String? {
        guard let start = [Self.layers, Self.visionLayers].first(where: { name.hasPrefix($0) }) else { return nil }
        return start + name.dropFirst(start.count).prefix { $0.isNumber }
    }

    private func readsLastNorm(_ name: String) -> Bool {
        ["lm_head", Self.model + ".embed_tokens", "model.generation_head.proj_out"].contains(name)
    }

    private func factors(ofNorm name: String) throws(ModelError) -> [Float]? {
        if name == Self.model + ".norm.weight" { return try lastNorm() }
        guard let prefix = blockPrefix(name) else { return nil }
        return switch name.dropFirst(prefix.count) {
        case ".input_layernorm.weight", ".layer_norm1.weight", ".layer_norm1.bias": try block(prefix).attentionInput
        case ".post_attention_layernorm.weight", ".layer_norm2.weight", ".layer_norm2.bias": try block(prefix).mlpInput
        default: nil
        }
    }

    // MARK: factors

    private func block(_ prefix: String) throws(ModelError) -> Block {
        if let block = blocks[prefix] { return block }
        let block = try prefix.hasPrefix(Self.layers) ? languageBlock(prefix) : visionBlock(prefix)
        blocks[prefix] = block
        return block
    }

    private func languageBlock(_ prefix: String) throws(ModelError) -> Block {
        let language = source.configuration.language
        func matrix(_ name: String) throws(ModelError) -> Matrix { try read("\(prefix).\(name).weight") }
        let attentionNorm = try read(prefix + ".input_layernorm.weight").row(0).map { Double(abs($0)) }
        let value = try matrix("self_attn.v_proj")
        let readers = try [matrix("self_attn.q_proj"), matrix("self_attn.k_proj"), value].map { $0.columnSizes() }
        var values: [Float]?
        if language.heads == language.keyValueHeads {
            values = Self.balance(
                value.rowSizes(weights: attentionNorm), try matrix("self_attn.o_proj").columnSizes())
        }
        let mlpNorm = try read(prefix + ".post_attention_layernorm.weight").row(0).map { Double(abs($0)) }
        let (gate, up) = (try matrix("mlp.gate_proj"), try matrix("mlp.up_proj"))
        let made = zip(gate.rowSizes(weights: mlpNorm), up.rowSizes(weights: mlpNorm)).map { $0 * $1 }
        return Block(
            attentionInput: Self.balance(attentionNorm, Self.together(readers)), values: values,
            mlpInput: Self.balance(mlpNorm, Self.together([gate.columnSizes(), up.columnSizes()])),
            inner: Self.balance(made, try matrix("mlp.down_proj").columnSizes()))
    }

    private func visionBlock(_ prefix: String) throws(ModelError) -> Block {
        func norm(_ name: String) throws(ModelError) -> [Double] {
            zip(try read("\(prefix).\(name).weight").row(0), try read("\(prefix).\(name).bias").row(0)).map {
                (Double($0) * Double($0) + Double($1) * Double($1)).squareRoot()
            }
        }
        let attentionNorm = try norm("layer_norm1")
        let readers = try projections(prefix + ".self_attn.")
        let value = readers[2]
        return Block(
            attentionInput: Self.balance(attentionNorm, Self.together(readers.map { $0.columnSizes() })),
            values: Self.balance(
                value.rowSizes(weights: attentionNorm),
                try read(prefix + ".self_attn.projection_layer.weight").columnSizes()),
            mlpInput: Self.balance(try norm("layer_norm2"), try read(prefix + ".mlp.fc1.weight").columnSizes()),
            inner: nil)
    }

    /// Those of queries, keys and values, which the original stores in one.
    private func projections(_ prefix: String) throws(ModelError) -> [Matrix] {
        let fused = prefix + "qkv.weight"
        guard source.checkpoint.entry(source.configuration.layout.name(fused)) != nil else {
            return try ["q", "k", "v"].map { name throws(ModelError) in try read("\(prefix)\(name)_proj.weight") }
        }
        let all = try read(fused)
        let count = all.rows / 3
        return (0..<3).map { all[$0 * count..<($0 + 1) * count] }
    }

    private func lastNorm() throws(ModelError) -> [Float] {
        let name = Self.model + ".norm.weight"
        if let factors = vectors[name] { return factors }
        let head =
            source.checkpoint.entry(source.configuration.layout.name("lm_head.weight")) == nil
            ? Self.model + ".embed_tokens.weight" : "lm_head.weight"
        let readers = try [head, "model.generation_head.proj_out.weight"].map { name throws(ModelError) in
            try read(name).columnSizes()
        }
        let factors = Self.balance(try read(name).row(0).map { Double(abs($0)) }, Self.together(readers))
        vectors[name] = factors
        return factors
    }

    /// Of several readers the root mean square of sizes, each relative to its own typical one: none outvotes another.
    private static func together(_ readers: [[Double]]) -> [Double] {
        let relative = readers.map { sizes in
            let typical = median(sizes)
            return sizes.map { typical > 0 ? $0 / typical : 0 }
        }
        return (relative.first ?? []).indices.map { index in
            (relative.reduce(0) { $0 + $1[index] * $1[index] } / Double(max(relative.count, 1))).squareRoot()
        }
    }

    /// √(activation / weights), 1 for the typical channel; channels that are 0 on either side keep their size.
    private static func balance(_ activations: [Double], _ weights: [Double]) -> [Float] {
        let raw = zip(activations, weights).map { activation, weight in
            activation > 0 && weight > 0 ? (activation / weight).squareRoot() : 0
        }
        let typical = median(raw.filter { $0 > 0 })
        return raw.map { factor in
            guard factor > 0, typical > 0 else { return 1 }
            let relative = Float(factor / typical)
            return relative.isNormal ? relative : 1
        }
    }

    private static func median(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.sorted()[values.count / 2]
    }

    /// A tensor of two sides, or of one as a row.
    private func read(_ name: String) throws(ModelError) -> Matrix {
        let own = source.configuration.layout.name(name)
        guard let entry = source.checkpoint.entry(own) else { throw .missingTensor(name: own) }
        guard (1...2).contains(entry.shape.count) else {
            throw .misshapenTensor(name: own, expected: "one or two sides", found: entry.shape)
        }
        let matrix = Matrix(rows: entry.shape.count == 2 ? entry.shape[0] : 1, columns: entry.shape.last ?? 0)
        do { try source.checkpoint.read(own, into: matrix) } catch { throw .weights(error) }
        return matrix
    }
}
