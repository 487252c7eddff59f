/// A tensor as a checkpoint describes it, checked against its file.
package struct TensorEntry: Sendable, Equatable {
    package let type: ElementType
    package let shape: [Int]

    package init(type: ElementType, shape: [Int]) {
        self.type = type
        self.shape = shape
    }

    /// Number of values; a reader has checked that it and the bytes do not overflow.
    package var count: Int { shape.reduce(1, *) }
    package var bytes: Int { count * type.bytes }
}

/// Named tensors that weights are taken from, whatever format stores them. Who opens one has checked that its files hold what
/// it says; values are converted only when they are read.
package protocol Checkpoint: AnyObject {
    /// Paths of the files that hold the weights.
    var files: [String] { get }
    /// Every tensor, by the name that the files give it.
    var entries: [String: TensorEntry] { get }
    /// What tells these weights from others without reading them, part after part.
    var identity: [[UInt8]] { get }
    /// A floating-point tensor (f32, f16 or bf16) as f32, row after row, into a dense matrix of as many values.
    func read(_ name: String, into target: Matrix) throws(TensorError)
    /// A tensor's bytes where they are mapped, row after row; nil where the format does not store them so.
    func mappedBytes(_ name: String) throws(TensorError) -> ByteStorage?
}

extension Checkpoint {
    /// The tensors' names in ascending order.
    package var names: [String] { entries.keys.sorted() }
    /// Bytes of all tensors.
    package var tensorBytes: Int { entries.values.reduce(0) { $0 + $1.bytes } }

    package func entry(_ name: String) throws(TensorError) -> TensorEntry {
        guard let entry = entries[name] else { throw .noSuchTensor(file: place, tensor: name) }
        return entry
    }

    /// The files, for errors.
    private var place: String { files.joined(separator: ", ") }

    // MARK: read where it lies

    /// f32 values as they lie in the file, mapped. They must not be written to.
    package func mapped(_ name: String, shape: [Int]) throws(TensorError) -> Matrix {
        let bytes = try mappedBytes(name, type: .f32, shape: shape)
        let rows = shape.count > 1 ? shape[0] : 1
        return Matrix(readOnly: FloatStorage(bytes), rows: rows, columns: shape.reduce(1, *) / max(rows, 1))
    }

    /// Rows of bf16 as they lie in the file, mapped.
    package func mappedRows(_ name: String, rows: Int, columns: Int) throws(TensorError) -> EmbeddingRows {
        EmbeddingRows(half: try mappedBytes(name, type: .bf16, shape: [rows, columns]), rows: rows, columns: columns)
    }

    /// Packed weights as they lie in the file, mapped.
    package func mappedWeights(
        values: String, scales: String, layout: PackedLayout
    ) throws(TensorError) -> PackedMatrix {
        PackedMatrix(
            layout: layout, values: try mappedBytes(values, type: layout.values.type, shape: layout.values.shape),
            scales: try layout.scales.map { kind throws(TensorError) in
                try mappedBytes(scales, type: kind.type, shape: kind.shape)
            })
    }

    private func mappedBytes(_ name: String, type: ElementType, shape: [Int]) throws(TensorError) -> ByteStorage {
        let entry = try entry(name)
        func misshapen(_ expected: String, _ found: String) -> TensorError {
            .misshapen(file: place, tensor: name, expected: expected, found: found)
        }
        guard entry.type == type, entry.shape == shape else {
            throw misshapen("\(type.rawValue) \(shape)", "\(entry.type.rawValue) \(entry.shape)")
        }
        guard let bytes = try mappedBytes(name) else { throw misshapen("stored row after row", "stored otherwise") }
        guard unsafe UInt(bitPattern: bytes.base) % UInt(type.bytes) == 0 else {
            throw misshapen("at a multiple of \(type.bytes) bytes", "stored between two")
        }
        return bytes
    }
}
