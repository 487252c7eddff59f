import JanusTensor

/// Llama with a KV cache. Source: transformers' `LlamaModel`, which the official code uses. H hidden, F mlp, Q = heads ·
/// head size, K = key-value heads · head size, n new positions of all spans together.
struct LanguageModel {
    let configuration: LanguageConfiguration
    /// [vocabulary, H]
    let embedding: EmbeddingRows
    private let layers: [LanguageLayer]
    /// [1, H]
    private let norm: Matrix
    /// [vocabulary, H]
    private let head: Linear
    private var rotary: RotaryTable
    /// For as many rows as were reserved, or ever asked for at once: a step finds what it needs.
    private var scratch: LanguageScratch
    private var batch = Batch()

    /// What the last norm puts out: read by whatever draws tokens.
    static let states = ChannelGroup(TensorNames.language + ".norm")

    init(_ configuration: LanguageConfiguration, _ reader: any ModelWeights) throws(ModelError) {
        self.configuration = configuration
        let prefix = TensorNames.language
        let hidden = configuration.hiddenSize
        let vocabulary = configuration.vocabularySize
        embedding = try reader.embeddingRows(prefix + ".embed_tokens.weight", rows: vocabulary, columns: hidden)
        var layers: [LanguageLayer] = []
        for layer in 0..<configuration.layers {
            layers.append(try LanguageLayer("\(prefix).layers.\(layer)", configuration, reader))
        }
        self.layers = layers
        norm = try reader.vector(prefix + ".norm.weight", hidden, makes: Self.states)
        // A config may say "tied" beside a head of its own: then the head is right.
        let ties = configuration.tiesEmbeddings && !reader.has(TensorNames.languageHead)
        head = try reader.linear(
            LinearLayer(
                ties ? prefix + ".embed_tokens" : TensorNames.languageHead, outputs: vocabulary, inputs: hidden,
                hasBias: false, role: .head, scaling: ChannelScaling(reads: Self.states)))
        rotary = RotaryTable(
            headSize: configuration.headSize, theta: configuration.ropeTheta, positionsMax: configuration.positionsMax)
        scratch = LanguageScratch(rows: 0, configuration)
    }

    /// Takes the memory of passes of up to so many rows, at positions below `positions`.
    mutating func reserve(rows: Int, positions: Int) {
        rotary.extend(to: positions)
        if scratch.rows < rows { scratch = LanguageScratch(rows: rows, configuration) }
        batch.reserve(rows: rows)
        layers.first?.reserve(rows: rows)
        head.reserve(rows: rows)
    }

    /// x [n, H] → out [n, H] after the last norm.
    mutating func forward(
        _ embeddings: Matrix, spans: [JanusModel.Span], cache: KVCache, into out: Matrix,
        check: () throws(ModelError) -> Void
    ) throws(ModelError) {
        batch.begin(spans, cache: cache)
        // Nothing of a row may outlive it.
        defer { batch.end() }
        let rows = embeddings.rows
        precondition(batch.positions.count == rows, "\(rows) embeddings for \(batch.positions.count) positions")
        rotary.extend(to: (batch.positions.max() ?? 0) + 1)
        if scratch.rows < rows { scratch = LanguageScratch(rows: rows, configuration) }
        let scratch = scratch[rows]
        let x = scratch.x
        x.copy(from: embeddings)
        for (index, layer) in layers.enumerated() {
            try check()
            layer.apply(index: index, batch: batch, cache: cache, rotary: rotary.table, scratch: scratch)
        }
        for span in spans { cache.append(row: span.row, positions: span.positions) }
        x.rmsNorm(weight: norm, epsilon: configuration.normEpsilon, into: out)
    }

    /// [n, H] → out [n, vocabulary]
    func logits(_ hidden: Matrix, into out: Matrix) { head.apply(hidden, into: out) }
}

/// Where the rows of one forward pass lie: which of them are whose, and at which position. Its memory serves every pass.
private struct Batch {
    private(set) var parts: [KVCache.Span] = []
    /// The same queries as kernels take them.
    private(set) var blocks: [QueryBlock] = []
    /// Of each row of the batch.
    private(set) var positions: [Int] = []
    /// Decoding: every part is one position, and they are attended together.
    private(set) var isStep = false
    /// Of each part, where its row's keys and values lie in tiles, and where its own go; none in f32.
    private(set) var caches: [PagedKeyValues] = []
    private(set) var written: [PagedKeyValues.Span] = []

    mutating func reserve(rows: Int) {
        parts.reserveCapacity(rows)
        blocks.reserveCapacity(rows)
        positions.reserveCapacity(rows)
        caches.reserveCapacity(rows)
        written.reserveCapacity(rows)
    }

    mutating func begin(_ spans: [JanusModel.Span], cache: KVCache) {
        isStep = spans.allSatisfy { $0.positions == 1 }
        for (index, span) in spans.enumerated() {
            precondition(!spans[..<index].contains { $0.row == span.row }, "a cache row twice in one pass")
            let start = cache.lengths[span.row]
            precondition(span.positions >= 1, "a span of \(span.positions)")
            precondition(
                start + span.positions <= cache.capacity(of: span.row),
                "\(start) + \(span.positions) positions in a row of \(cache.capacity(of: span.row))")
            let range = positions.count..<positions.count + span.positions
            QueryBlock.appendCausal(to: &blocks, cache: parts.count, start: start, range: range)
            parts.append(.init(row: span.row, start: start, range: range))
            if let tiles = cache.tiles(of: span.row) {
                caches.append(tiles)
                written.append(.init(cache: tiles, start: start, range: range))
            }
            positions.append(contentsOf: start..<start + span.positions)
        }
    }

    mutating func end() {
        parts.removeAll(keepingCapacity: true)
        blocks.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        caches.removeAll(keepingCapacity: true)
        written.removeAll(keepingCapacity: true)
    }
}

/// What a pass writes to, layer after layer.
private struct LanguageScratch {
    /// [n, H]: what the layers add to
    let x: Matrix
    /// [n, H]
    let normed: Matrix
    /// [n, Q + 2K]
    let qkv: Matrix
    /// [n, Q]
    let attended: Matrix
    /// [n, 2F]
    let gateUp: Matrix

    init(rows: Int, _ configuration: LanguageConfiguration) {
        let heads = configuration.heads + 2 * configuration.keyValueHeads
        x = Matrix(rows: rows, columns: configuration.hiddenSize)
        normed = Matrix(rows: rows, columns: configuration.hiddenSize)
        qkv = Matrix(rows: rows, columns: heads * configuration.headSize)
        attended = Matrix(rows: rows, columns: configuration.heads * configuration.headSize)
        gateUp = Matrix(rows: rows, columns: 2 * configuration.mlpWidth)
    }

    private init(_ whole: LanguageScratch, rows: Int) {
        x = whole.x[0..<rows]
        normed = whole.normed[0..<rows]
        qkv = whole.qkv[0..<rows]
        attended = whole.attended[0..<rows]
        gateUp = whole.gateUp[0..<rows]
    }

    var rows: Int { x.rows }

    /// For the first rows only.
    subscript(rows: Int) -> LanguageScratch { LanguageScratch(self, rows: rows) }
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
        let attentionInput = ChannelGroup(prefix + ".input_layernorm")
        let mlpInput = ChannelGroup(prefix + ".post_attention_layernorm")
        let inner = ChannelGroup(prefix + ".mlp.up_proj")
        // several query heads may share a channel of v
        let values =
            configuration.heads == configuration.keyValueHeads ? ChannelGroup(prefix + ".self_attn.v_proj") : nil
        inputNorm = try reader.vector(attentionInput.name + ".weight", hidden, makes: attentionInput)
        let attention = prefix + ".self_attn."
        qkv = try reader.linear(
            LinearLayer(
                attention + "qkv",
                parts: [
                    (attention + "q_proj", queries), (attention + "k_proj", shared), (attention + "v_proj", shared),
                ],
                inputs: hidden, role: .language, scaling: ChannelScaling(reads: attentionInput, makes: values)))
        output = try reader.linear(
            LinearLayer(
                attention + "o_proj", outputs: hidden, inputs: queries, hasBias: false, role: .language,
                scaling: ChannelScaling(reads: values)))
        mlpNorm = try reader.vector(mlpInput.name + ".weight", hidden, makes: mlpInput)
        let width = configuration.mlpWidth
        let mlp = prefix + ".mlp."
        gateUp = try reader.linear(
            LinearLayer(
                mlp + "gate_up", parts: [(mlp + "gate_proj", width), (mlp + "up_proj", width)], inputs: hidden,
                role: .language, scaling: ChannelScaling(reads: mlpInput, makes: inner, isGated: true)))
        down = try reader.linear(
            LinearLayer(
                mlp + "down_proj", outputs: hidden, inputs: width, hasBias: false, role: .language,
                scaling: ChannelScaling(reads: inner)))
    }

    func reserve(rows: Int) {
        for linear in [qkv, output, gateUp, down] { linear.reserve(rows: rows) }
    }

    func apply(index: Int, batch: Batch, cache: KVCache, rotary: Matrix, scratch: LanguageScratch) {
        let (x, normed) = (scratch.x, scratch.normed)
        let epsilon = configuration.normEpsilon
        qkv.apply(normed, into: scratch.qkv, prepare: .rmsNorm(of: x, weight: inputNorm, epsilon: epsilon))
        if batch.isStep, !batch.caches.isEmpty {
            Attention.step(
                qkv: scratch.qkv, heads: configuration.heads, rotary: rotary, caches: batch.caches, layer: index,
                positions: batch.positions, into: scratch.attended)
        } else {
            attend(index: index, batch: batch, cache: cache, rotary: rotary, scratch: scratch)
        }
        output.apply(scratch.attended, into: x, accumulate: true)

        gateUp.apply(normed, into: scratch.gateUp, prepare: .rmsNorm(of: x, weight: mlpNorm, epsilon: epsilon))
        let gate = scratch.gateUp.columns(0..<configuration.mlpWidth)
        let up = scratch.gateUp.columns(configuration.mlpWidth..<2 * configuration.mlpWidth)
        down.apply(gate, into: x, accumulate: true, prepare: .swishMultiply(by: up))
    }

    /// Fills scratch.attended [n, Q]; keys and values go through the cache, the current positions' too.
    private func attend(index: Int, batch: Batch, cache: KVCache, rotary: Matrix, scratch: LanguageScratch) {
        let heads = configuration.heads
        let shared = configuration.keyValueHeads
        let queryWidth = heads * configuration.headSize
        let sharedWidth = shared * configuration.headSize
        let queries = scratch.qkv.columns(0..<queryWidth)
        let keys = scratch.qkv.columns(queryWidth..<queryWidth + sharedWidth)
        let values = scratch.qkv.columns(queryWidth + sharedWidth..<queryWidth + 2 * sharedWidth)
        scratch.qkv.columns(0..<queryWidth + sharedWidth).rotate(
            heads: heads + shared, table: rotary, positions: batch.positions)
        guard batch.caches.isEmpty else {
            PagedKeyValues.store(batch.written, layer: index, keys: keys, values: values)
            return Attention.attend(
                queries: queries, blocks: batch.blocks, caches: batch.caches, layer: index, heads: heads,
                into: scratch.attended)
        }
        let view = cache.store(layer: index, batch.parts, keys: keys, values: values)
        if batch.isStep {
            return Attention.attendSingle(
                queries: queries, keys: view.keys, values: view.values, heads: heads, keyHeads: shared,
                into: scratch.attended)
        }
        for (number, part) in batch.parts.enumerated() {
            Attention.attend(
                queries: queries[part.range], keys: view.keys[number], values: view.values[number], heads: heads,
                keyHeads: shared, causal: true, into: scratch.attended[part.range])
        }
    }
}
