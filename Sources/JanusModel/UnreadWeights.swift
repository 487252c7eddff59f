import JanusTensor

/// A checkpoint's tensors, checked as they would be where they are read, and given as placeholders of the right sides.
final class UnreadWeights: ModelWeights {
    private let reader: WeightReader

    init(_ reader: WeightReader) { self.reader = reader }

    func has(_ name: String) -> Bool { reader.has(name) }

    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix {
        try reader.pass(name, shape)
        return .placeholder(shape)
    }

    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) throws(ModelError) -> Matrix {
        try matrix(name, [count])
    }

    func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix {
        try reader.positions(name, tokens, width)
    }

    func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows {
        EmbeddingRows(try matrix(name, [rows, columns]))
    }

    func linear(_ layer: LinearLayer) throws(ModelError) -> Linear {
        try reader.pass(layer)
        return .placeholder(layer)
    }

    func packed(_ layer: LinearLayer) -> PackedMatrix? { nil }

    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError) -> ImageTokenEmbeddings {
        try ImageTokenEmbeddings(codebook: codebook, codeWidth: codeWidth, hidden: hidden, self)
    }

    var unread: any ModelWeights { self }
}

extension Matrix {
    static func placeholder(_ shape: [Int]) -> Matrix {
        let rows = shape.count > 1 ? shape[0] : 1
        return Matrix(placeholderRows: rows, columns: shape.reduce(1, *) / max(rows, 1))
    }
}

extension Linear {
    static func placeholder(_ layer: LinearLayer) -> Linear {
        Linear(
            weight: Matrix(placeholderRows: layer.outputs, columns: layer.inputs),
            bias: layer.hasBias ? Matrix(placeholderRows: 1, columns: layer.outputs) : nil)
    }
}
