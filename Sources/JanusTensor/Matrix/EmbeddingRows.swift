import CJanusKernels

/// Rows to look up: embeddings, in f32 or as bf16 in a mapped file.
package struct EmbeddingRows {
    private enum Values {
        case dense(Matrix)
        case half(ByteStorage)
    }

    private let values: Values
    package let rows: Int
    package let columns: Int

    package init(_ matrix: Matrix) {
        values = .dense(matrix)
        rows = matrix.rows
        columns = matrix.columns
    }

    init(half bytes: ByteStorage, rows: Int, columns: Int) {
        precondition(bytes.count == rows * columns * 2, "\(bytes.count) bytes for \(rows) × \(columns)")
        values = .half(bytes)
        self.rows = rows
        self.columns = columns
    }

    /// Writes a row into a matrix of one row.
    package func copy(row: Int, to target: Matrix) {
        precondition(row >= 0 && row < rows && target.rows == 1 && target.columns == columns, "row \(row) of \(rows)")
        switch values {
        case .dense(let matrix): target.copy(from: matrix[row..<row + 1])
        case .half(let bytes): unsafe janus_f32_from_bf16(bytes.base + row * columns * 2, target.base, columns)
        }
    }
}

extension Matrix {
    /// All values as bf16, to nearest even, row after row.
    package func withHalfBytes<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let halves = ByteStorage(count: count * 2)
        Threads.split(rows, grain: max(1, Self.halfGrainValues / max(columns, 1))) { range in
            for row in range {
                unsafe janus_bf16_from_f32(
                    self.base + row * self.stride,
                    (halves.base + row * self.columns * 2).assumingMemoryBound(to: UInt16.self), self.columns)
            }
        }
        try unsafe body(halves.bytes)
    }

    /// All values of a dense matrix.
    package func withBytes<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(isDense, "a part of a matrix")
        try unsafe body(UnsafeRawBufferPointer(start: base, count: count * MemoryLayout<Float>.stride))
    }

    private static let halfGrainValues = 1 << 18
}
