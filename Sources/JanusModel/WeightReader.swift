package import JanusTensor

/// Takes tensors out of a checkpoint by our names, checking each shape, and knows at the end which were never asked for.
package final class WeightReader: ModelWeights {
    let checkpoint: any Checkpoint
    let layout: CheckpointLayout
    private let progress: (Double) -> Void
    private var used: Set<String> = []
    private var bytesRead = 0
    private let bytesTotal: Int

    package init(
        _ checkpoint: any Checkpoint, layout: CheckpointLayout, progress: @escaping (Double) -> Void = { _ in }
    ) {
        self.checkpoint = checkpoint
        self.layout = layout
        self.progress = progress
        bytesTotal = max(checkpoint.tensorBytes, 1)
    }

    package func has(_ name: String) -> Bool { checkpoint.entries[layout.name(name + ".weight")] != nil }

    /// [rows, columns]; a tensor of more dimensions is given with its full shape and read as [rows, the rest].
    package func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix {
        let entry = try checked(name, shape)
        let rows = shape.first ?? 1
        let matrix = Matrix(rows: rows, columns: rows > 0 ? entry.count / rows : 0)
        try read(name, entry, into: matrix)
        return matrix
    }

    package func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) throws(ModelError) -> Matrix {
        try vector(name, count)
    }

    package var unread: any ModelWeights { UnreadWeights(self) }

    /// [1, count]
    package func vector(_ name: String, _ count: Int) throws(ModelError) -> Matrix {
        let entry = try checked(name, [count])
        let vector = Matrix(rows: 1, columns: count)
        try read(name, entry, into: vector)
        return vector
    }

    /// Tensors of the same width, one under the other: several products become one.
    private func stacked(_ parts: [(name: String, rows: Int)], sides: [Int]) throws(ModelError) -> Matrix {
        var entries: [TensorEntry] = []
        for part in parts { entries.append(try checked(part.name, [part.rows] + sides)) }
        let matrix = Matrix(rows: parts.reduce(0) { $0 + $1.rows }, columns: sides.reduce(1, *))
        var row = 0
        for (part, entry) in zip(parts, entries) {
            try read(part.name, entry, into: matrix[row..<row + part.rows])
            row += part.rows
        }
        return matrix
    }

    /// Vectors one after the other, [1, Σ counts].
    private func stackedVector(_ parts: [(name: String, count: Int)]) throws(ModelError) -> Matrix {
        var entries: [TensorEntry] = []
        for part in parts { entries.append(try checked(part.name, [part.count])) }
        let vector = Matrix(rows: 1, columns: parts.reduce(0) { $0 + $1.count })
        var column = 0
        for (part, entry) in zip(parts, entries) {
            try read(part.name, entry, into: vector.columns(column..<column + part.count))
            column += part.count
        }
        return vector
    }

    package func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix {
        switch layout {
        case .huggingFace: try matrix(name, [tokens, width])
        case .original: try matrix(name, [1, tokens, width]).reshaped(rows: tokens, columns: width)
        }
    }

    package func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows {
        EmbeddingRows(try matrix(name, [rows, columns]))
    }

    package func linear(_ layer: LinearLayer) throws(ModelError) -> Linear {
        Linear(weight: try weights(of: layer), bias: try bias(of: layer))
    }

    package func packed(_ layer: LinearLayer) -> PackedMatrix? { nil }

    package func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError)
        -> ImageTokenEmbeddings
    {
        try ImageTokenEmbeddings(codebook: codebook, codeWidth: codeWidth, hidden: hidden, self)
    }

    /// [outputs, inputs]
    package func weights(of layer: LinearLayer) throws(ModelError) -> Matrix {
        let parts = parts(of: layer).map { (name: $0.name + ".weight", rows: $0.outputs) }
        let weights = try stacked(parts, sides: layer.sides)
        return layer.resampling != nil ? Convolution3x3.ordered(weights) : weights
    }

    /// [1, outputs]
    func bias(of layer: LinearLayer) throws(ModelError) -> Matrix? {
        guard layer.hasBias else { return nil }
        return try stackedVector(parts(of: layer).map { (name: $0.name + ".bias", count: $0.outputs) })
    }

    /// The original stores some layers fused, under the name that they have in packs.
    private func parts(of layer: LinearLayer) -> [LinearLayer.Part] {
        layer.parts.count > 1 && has(layer.name) ? [.init(name: layer.name, outputs: layer.outputs)] : layer.parts
    }

    /// - Throws: when the checkpoint holds anything that nobody asked for and that is not known to be useless.
    func finish() throws(ModelError) {
        try checkAllUsed()
        progress(1)
    }

    func checkAllUsed() throws(ModelError) {
        let extra = checkpoint.names.filter { !used.contains($0) && !layout.ignores($0) }
        guard extra.isEmpty else { throw .extraTensors(names: extra) }
    }

    private func checked(_ name: String, _ shape: [Int]) throws(ModelError) -> TensorEntry {
        let own = layout.name(name)
        guard let entry = checkpoint.entries[own] else { throw .missingTensor(name: own) }
        guard entry.shape == shape else {
            throw .misshapenTensor(name: own, expected: "\(shape)", found: entry.shape)
        }
        return entry
    }

    private func read(_ name: String, _ entry: TensorEntry, into target: Matrix) throws(ModelError) {
        let own = layout.name(name)
        do { try checkpoint.read(own, into: target) } catch { throw .weights(error) }
        finish(own, entry)
    }

    private func finish(_ own: String, _ entry: TensorEntry) {
        used.insert(own)
        bytesRead += entry.bytes
        progress(min(Double(bytesRead) / Double(bytesTotal), 1))
    }

    /// Checks a tensor that nobody will read.
    func pass(_ name: String, _ shape: [Int]) throws(ModelError) {
        let entry = try checked(name, shape)
        guard entry.type.isFloatingPoint else {
            throw .weights(
                .elementType(
                    file: checkpoint.files.joined(separator: ", "), tensor: layout.name(name),
                    found: entry.type.rawValue, expected: "F32, F16 or BF16"))
        }
        finish(layout.name(name), entry)
    }

    /// The same of all tensors of a layer.
    func pass(_ layer: LinearLayer) throws(ModelError) {
        for part in parts(of: layer) {
            try pass(part.name + ".weight", [part.outputs] + layer.sides)
            if layer.hasBias { try pass(part.name + ".bias", [part.outputs]) }
        }
    }
}
