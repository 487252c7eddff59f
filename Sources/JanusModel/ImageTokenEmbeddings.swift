import JanusTensor

/// What drawn image tokens are fed back as: gen_aligner(gen_embed(token)). A pack has it for all tokens as a table, so that
/// a step only looks it up.
package struct ImageTokenEmbeddings {
    private enum Values {
        /// [codebook, code width] (a table of its own, not the tokenizer's codebook), and what it goes through
        case computed(EmbeddingRows, Adaptor)
        /// [codebook, hidden]
        case stored(EmbeddingRows)
    }

    private let values: Values

    /// Its name in packs.
    static let name = TensorNames.generationEmbedding + ".aligned"

    init(stored rows: EmbeddingRows) { values = .stored(rows) }

    /// - Parameter reader: a checkpoint.
    init(codebook: Int, codeWidth: Int, hidden: Int, _ reader: any ModelWeights) throws(ModelError) {
        values = .computed(
            try reader.embeddingRows(TensorNames.generationEmbedding + ".weight", rows: codebook, columns: codeWidth),
            try Adaptor(TensorNames.generationAligner, inputs: codeWidth, hidden: hidden, reader))
    }

    /// [tokens, hidden]
    func lookUp(_ tokens: [Int32]) throws(ModelError) -> Matrix {
        switch values {
        case .computed(let table, let aligner): return aligner(try table.lookUp(tokens, table: Self.what))
        case .stored(let table): return try table.lookUp(tokens, table: Self.what)
        }
    }

    /// As `lookUp`, into a matrix of those sides.
    func lookUp(_ tokens: [Int32], into out: Matrix) throws(ModelError) {
        switch values {
        case .computed: out.copy(from: try lookUp(tokens))
        case .stored(let table): try table.lookUp(tokens, table: Self.what, into: out)
        }
    }

    /// All rows, [codebook, hidden]. A few at a time: so the products are our own kernel's, the same on every machine.
    func all(codebook: Int, hidden: Int) throws(ModelError) -> Matrix {
        let out = Matrix(rows: codebook, columns: hidden)
        for start in stride(from: 0, to: codebook, by: Self.rowsAtOnce) {
            let end = min(start + Self.rowsAtOnce, codebook)
            out[start..<end].copy(from: try lookUp((start..<end).map(Int32.init)))
        }
        return out
    }

    private static let what = "image token table"
    private static let rowsAtOnce = Matrix.thinRowsMax
}
