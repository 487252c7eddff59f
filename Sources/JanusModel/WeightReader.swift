import JanusTensor

/// Takes tensors out of a checkpoint by our names, checking each shape, and knows at the end which were never asked for.
final class WeightReader {
    let checkpoint: SafetensorsCheckpoint
    let layout: CheckpointLayout
    private let progress: (Double) -> Void
    private var used: Set<String> = []
    private var bytesRead = 0
    private let bytesTotal: Int

    init(_ checkpoint: SafetensorsCheckpoint, layout: CheckpointLayout, progress: @escaping (Double) -> Void) {
        self.checkpoint = checkpoint
        self.layout = layout
        self.progress = progress
        bytesTotal = max(checkpoint.bytes, 1)
    }

    func has(_ name: String) -> Bool { checkpoint.entry(layout.name(name)) != nil }

    /// [rows, columns]; a tensor of more dimensions is given with its full shape and read as [rows, the rest].
    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix {
        let entry = try checked(name, shape)
        let rows = shape.first ?? 1
        let matrix = Matrix(rows: rows, columns: rows > 0 ? entry.count / rows : 0)
        try read(name, entry, into: matrix)
        return matrix
    }

    /// [1, count]
    func vector(_ name: String, _ count: Int) throws(ModelError) -> Matrix {
        let entry = try checked(name, [count])
        let vector = Matrix(rows: 1, columns: count)
        try read(name, entry, into: vector)
        return vector
    }

    /// Tensors of the same width, one under the other: several products become one.
    func stacked(_ parts: [(name: String, rows: Int)], columns: Int) throws(ModelError) -> Matrix {
        var entries: [TensorEntry] = []
        for part in parts { entries.append(try checked(part.name, [part.rows, columns])) }
        let matrix = Matrix(rows: parts.reduce(0) { $0 + $1.rows }, columns: columns)
        var row = 0
        for (part, entry) in zip(parts, entries) {
            try read(part.name, entry, into: matrix[row..<row + part.rows])
            row += part.rows
        }
        return matrix
    }

    /// Vectors one after the other, [1, Σ counts].
    func stackedVector(_ parts: [(name: String, count: Int)]) throws(ModelError) -> Matrix {
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

    /// name.weight [outputs, inputs], name.bias [outputs]
    func linear(_ name: String, outputs: Int, inputs: Int) throws(ModelError) -> Linear {
        Linear(weight: try matrix(name + ".weight", [outputs, inputs]), bias: try vector(name + ".bias", outputs))
    }

    /// A 1×1 convolution, which is a linear layer on each pixel: name.weight [outputs, inputs, 1, 1], name.bias.
    func pointwise(_ name: String, outputs: Int, inputs: Int) throws(ModelError) -> Linear {
        Linear(
            weight: try matrix(name + ".weight", [outputs, inputs, 1, 1]), bias: try vector(name + ".bias", outputs))
    }

    /// name.weight [outputs, inputs, 3, 3], name.bias [outputs]
    func convolution(
        _ name: String, outputs: Int, inputs: Int, walk: Convolution3x3.Walk = .same
    ) throws(ModelError) -> Convolution3x3 {
        Convolution3x3(
            weight: try matrix(name + ".weight", [outputs, inputs, 3, 3]), bias: try vector(name + ".bias", outputs),
            walk: walk)
    }

    /// - Throws: when the checkpoint holds anything that nobody asked for and that is not known to be useless.
    func finish() throws(ModelError) {
        let extra = checkpoint.names.filter { !used.contains($0) && !layout.ignores($0) }.sorted()
        guard extra.isEmpty else { throw .extraTensors(names: extra) }
        progress(1)
    }

    private func checked(_ name: String, _ shape: [Int]) throws(ModelError) -> TensorEntry {
        let own = layout.name(name)
        guard let entry = checkpoint.entry(own) else { throw .missingTensor(name: own) }
        guard entry.shape == shape else {
            throw .misshapenTensor(name: own, expected: "\(shape)", found: entry.shape)
        }
        return entry
    }

    private func read(_ name: String, _ entry: TensorEntry, into target: Matrix) throws(ModelError) {
        let own = layout.name(name)
        do { try checkpoint.read(own, into: target) } catch { throw .weights(error) }
        used.insert(own)
        bytesRead += entry.bytes
        progress(min(Double(bytesRead) / Double(bytesTotal), 1))
    }
}
