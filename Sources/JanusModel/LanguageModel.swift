import JanusTensor

/// Llama with a KV cache. Source: transformers' `LlamaModel`, which the official code uses. H hidden, F mlp, Q = heads ·
/// head size, K = key-value heads · head size, n new positions of all spans together.
struct LanguageModel {
    let configuration: LanguageConfiguration
    /// [vocabulary, H]
    let embedding: Table
    private let layers: [LanguageLayer]
    /// [1, H]
    private let norm: Matrix
    /// [vocabulary, H]
    private let head: Linear
    private var rotary: RotaryTable

    init(_ configuration: LanguageConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        self.configuration = configuration
        let prefix = "model.language_model"
        let hidden = configuration.hiddenSize
        let vocabulary = configuration.vocabularySize
        embedding = try reader.table(prefix + ".embed_tokens.weight", rows: vocabulary, columns: hidden)
        var layers: [LanguageLayer] = []
        for layer in 0..<configuration.layers {
            layers.append(try LanguageLayer("\(prefix).layers.\(layer)", configuration, reader))
        }
        self.layers = layers
        norm = try reader.vector(prefix + ".norm.weight", hidden)
        // A config may say "tied" beside a head of its own: then the head is right.
        let ties = configuration.tiesEmbeddings && !reader.has("lm_head")
        head = try reader.linear(
            LinearLayer(
                ties ? prefix + ".embed_tokens" : "lm_head", outputs: vocabulary, inputs: hidden, hasBias: false,
                role: .head))
        rotary = RotaryTable(
            headSize: configuration.headSize, theta: configuration.ropeTheta, positionsMax: configuration.positionsMax)
    }

    /// x [n, H], overwritten → [n, H] after the last norm.
    mutating func forward(
        _ x: Matrix, spans: [JanusModel.Span], cache: KVCache, check: () throws(ModelError) -> Void
    ) throws(ModelError) -> Matrix {
        let batch = Batch(spans, cache: cache)
        precondition(batch.positions.count == x.rows, "\(x.rows) embeddings for \(batch.positions.count) positions")
        rotary.extend(to: (batch.positions.max() ?? 0) + 1)
        let scratch = LanguageScratch(rows: x.rows, configuration)
        for (index, layer) in layers.enumerated() {
            try check()
            layer.apply(to: x, index: index, batch: batch, cache: cache, rotary: rotary.table, scratch: scratch)
        }
        for span in spans { cache.append(row: span.row, positions: span.positions) }
        return x.rmsNorm(weight: norm, epsilon: configuration.normEpsilon)
    }

    /// [n, H] → [n, vocabulary]
    func logits(_ hidden: Matrix) -> Matrix { head(hidden) }
}

/// Where the rows of one forward pass lie: which of them are whose, and at which position.
private struct Batch {
    struct Part {
        var row: Int
        /// Positions before this pass.
        var start: Int
        /// Its rows of the batch.
        var range: Range<Int>
    }

    var parts: [Part] = []
    /// Of each row of the batch.
    var positions: [Int] = []
    /// Decoding: every part is one position, and they are attended together.
    var isStep: Bool

    init(_ spans: [JanusModel.Span], cache: KVCache) {
        precondition(Set(spans.map(\.row)).count == spans.count, "a cache row twice in one pass")
        isStep = spans.allSatisfy { $0.positions == 1 }
        for span in spans {
            let start = cache.lengths[span.row]
            precondition(span.positions >= 1, "a span of \(span.positions)")
            precondition(
                start + span.positions <= cache.capacity(of: span.row),
                "\(start) + \(span.positions) positions in a row of \(cache.capacity(of: span.row))")
            parts.append(Part(row: span.row, start: start, range: positions.count..<positions.count + span.positions))
            positions.append(contentsOf: start..<start + span.positions)
        }
    }
}

/// What a pass writes to, layer after layer.
private struct LanguageScratch {
    /// [n, Q + 2K]
    let qkv: Matrix
    /// [n, Q]
    let attended: Matrix
    /// [n, 2F]
    let gateUp: Matrix

    init(rows: Int, _ configuration: LanguageConfiguration) {
        let heads = configuration.heads + 2 * configuration.keyValueHeads
        qkv = Matrix(rows: rows, columns: heads * configuration.headSize)
        attended = Matrix(rows: rows, columns: configuration.heads * configuration.headSize)
        gateUp = Matrix(rows: rows, columns: 2 * configuration.mlpWidth)
    }
}

/// x += attention(norm(x)); x += mlp(norm(x))
private struct LanguageLayer {
    let configuration: LanguageConfiguration
    /// [1, H]
    let inputNorm: Matrix
    /// [Q + 2K, H]
    let qkv: Linear
    /// [H, Q]
    let output: Linear
    /// [1, H]
    let mlpNorm: Matrix
    /// [2F, H]
    let gateUp: Linear
    /// [H, F]
    let down: Linear

    init(_ prefix: String, _ configuration: LanguageConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        self.configuration = configuration
        let hidden = configuration.hiddenSize
        let queries = configuration.heads * configuration.headSize
        let shared = configuration.keyValueHeads * configuration.headSize
        inputNorm = try reader.vector(prefix + ".input_layernorm.weight", hidden)
        let attention = prefix + ".self_attn."
        qkv = try reader.linear(
            LinearLayer(
                attention + "qkv",
                parts: [
                    (attention + "q_proj", queries), (attention + "k_proj", shared), (attention + "v_proj", shared),
                ],
                inputs: hidden, role: .language))
        output = try reader.linear(
            LinearLayer(attention + "o_proj", outputs: hidden, inputs: queries, hasBias: false, role: .language))
        mlpNorm = try reader.vector(prefix + ".post_attention_layernorm.weight", hidden)
        let width = configuration.mlpWidth
        let mlp = prefix + ".mlp."
        gateUp = try reader.linear(
            LinearLayer(
                mlp + "gate_up", parts: [(mlp + "gate_proj", width), (mlp + "up_proj", width)], inputs: hidden,
                role: .language))
        down = try reader.linear(
            LinearLayer(mlp + "down_proj", outputs: hidden, inputs: width, hasBias: false, role: .language))
    }

    func apply(to x: Matrix, index: Int, batch: Batch, cache: KVCache, rotary: Matrix, scratch: LanguageScratch) {
        attend(x, index: index, batch: batch, cache: cache, rotary: rotary, scratch: scratch)
        output.apply(scratch.attended, into: x, accumulate: true)

        gateUp.apply(x.rmsNorm(weight: mlpNorm, epsilon: configuration.normEpsilon), into: scratch.gateUp)
        let gate = scratch.gateUp.columns(0..<configuration.mlpWidth)
        gate.swishMultiply(by: scratch.gateUp.columns(configuration.mlpWidth..<2 * configuration.mlpWidth))
        down.apply(gate, into: x, accumulate: true)
    }

    /// Fills scratch.attended [n, Q]; keys and values go through the cache, the current positions' too.
    private func attend(
        _ x: Matrix, index: Int, batch: Batch, cache: KVCache, rotary: Matrix, scratch: LanguageScratch
    ) {
        let heads = configuration.heads
        let shared = configuration.keyValueHeads
        let queryWidth = heads * configuration.headSize
        let sharedWidth = shared * configuration.headSize
        qkv.apply(x.rmsNorm(weight: inputNorm, epsilon: configuration.normEpsilon), into: scratch.qkv)
        let queries = scratch.qkv.columns(0..<queryWidth)
        let keys = scratch.qkv.columns(queryWidth..<queryWidth + sharedWidth)
        let values = scratch.qkv.columns(queryWidth + sharedWidth..<queryWidth + 2 * sharedWidth)
        queries.rotate(heads: heads, table: rotary, positions: batch.positions)
        keys.rotate(heads: shared, table: rotary, positions: batch.positions)
        for part in batch.parts {
            cache.store(
                layer: index, row: part.row, start: part.start, keys: keys[part.range], values: values[part.range])
        }
        func cached(_ part: Batch.Part) -> (keys: Matrix, values: Matrix) {
            let count = part.start + part.range.count
            return (
                cache.keys(layer: index, row: part.row, count: count),
                cache.values(layer: index, row: part.row, count: count)
            )
        }
        if batch.isStep {
            let stores = batch.parts.map(cached)
            Attention.attendSingle(
                queries: queries, keys: stores.map(\.keys), values: stores.map(\.values), heads: heads,
                keyHeads: shared, into: scratch.attended)
            return
        }
        for part in batch.parts {
            let store = cached(part)
            Attention.attend(
                queries: queries[part.range], keys: store.keys, values: store.values, heads: heads, keyHeads: shared,
                causal: true, isInvariant: qkv.isInvariant, into: scratch.attended[part.range])
        }
    }
}
