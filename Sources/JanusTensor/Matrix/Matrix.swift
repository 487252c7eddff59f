/// A row-major f32 matrix: a view (offset, row stride) into shared storage.
///
/// A copy of the value is another view of the same numbers, as with a class: whoever writes is seen by all. Matrices are
/// confined to the thread or actor that uses them (not `Sendable`).
package struct Matrix {
    package let rows: Int
    package let columns: Int
    /// Values from one row to the next; `columns` where the rows are dense.
    package let stride: Int
    let storage: FloatStorage
    let offset: Int

    private init(storage: FloatStorage, offset: Int, rows: Int, columns: Int, stride: Int) {
        self.storage = storage
        self.offset = offset
        self.rows = rows
        self.columns = columns
        self.stride = stride
    }

    /// A new matrix of zeros.
    package init(rows: Int, columns: Int) {
        precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) × \(columns)")
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        precondition(!overflow, "a matrix of \(rows) × \(columns)")
        self.init(storage: FloatStorage(count: count), offset: 0, rows: rows, columns: columns, stride: columns)
    }

    /// The first values of storage that others had before, with whatever is in it.
    init(reusing storage: FloatStorage, rows: Int, columns: Int) {
        precondition(storage.count >= rows * columns, "\(storage.count) values for \(rows) × \(columns)")
        self.init(storage: storage, offset: 0, rows: rows, columns: columns, stride: columns)
    }

    /// Values of a mapped file, which must not be written to.
    init(readOnly storage: FloatStorage, rows: Int, columns: Int) {
        precondition(storage.count == rows * columns, "\(storage.count) values for \(rows) × \(columns)")
        self.init(storage: storage, offset: 0, rows: rows, columns: columns, stride: columns)
    }

    /// Zeros that take the memory of one row, to stand for a tensor where only its sides matter. Not to be written to.
    package init(placeholderRows rows: Int, columns: Int) {
        self.init(storage: FloatStorage(count: columns), offset: 0, rows: rows, columns: columns, stride: 0)
    }

    /// A new matrix with these values, rows × columns of them.
    package init(_ values: [Float], rows: Int, columns: Int) {
        self.init(rows: rows, columns: columns)
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) × \(columns)")
        unsafe values.withUnsafeBufferPointer { source in
            if let address = source.baseAddress { unsafe base.update(from: address, count: values.count) }
        }
    }

    /// A new matrix of these, one below the other; all of one width, at least one.
    package init(stacking parts: [Matrix]) {
        self.init(rows: parts.reduce(0) { $0 + $1.rows }, columns: parts[0].columns)
        stack(parts)
    }

    /// Writes these into the first rows, one below the other; all of its width.
    package func stack(_ parts: some Sequence<Matrix>) {
        var first = 0
        for part in parts {
            self[first..<first + part.rows].copy(from: part)
            first += part.rows
        }
    }

    /// Some of the rows, as a view.
    package subscript(range: Range<Int>) -> Matrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
        return Matrix(
            storage: storage, offset: offset + range.lowerBound * stride, rows: range.count, columns: columns,
            stride: stride)
    }

    /// Some of the columns, as a view.
    package func columns(_ range: Range<Int>) -> Matrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(columns)")
        return Matrix(
            storage: storage, offset: offset + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }

    /// The same dense values with other sides.
    package func reshaped(rows: Int, columns: Int) -> Matrix {
        precondition(isDense && rows * columns == self.rows * self.columns, "reshape to \(rows) × \(columns)")
        return Matrix(storage: storage, offset: offset, rows: rows, columns: columns, stride: columns)
    }

    package subscript(row: Int, column: Int) -> Float {
        get {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            return unsafe base[row * stride + column]
        }
        nonmutating set {
            precondition(row >= 0 && row < rows && column >= 0 && column < columns)
            unsafe base[row * stride + column] = newValue
        }
    }

    /// A copy of one row.
    package func row(_ row: Int) -> [Float] { self[row..<row + 1].array() }

    /// A copy of all values, row after row.
    package func array() -> [Float] {
        unsafe [Float](unsafeUninitializedCapacity: rows * columns) { target, count in
            for row in 0..<rows {
                guard let address = target.baseAddress, columns > 0 else { break }
                unsafe (address + row * columns).initialize(from: base + row * stride, count: columns)
            }
            count = rows * columns
        }
    }

    /// Whether no value is NaN or infinite.
    package var isFinite: Bool { (0..<rows).allSatisfy { row($0).allSatisfy(\.isFinite) } }

    /// Writes another matrix of the same sides into this one; the two must not overlap.
    package func copy(from other: Matrix) {
        precondition(rows == other.rows && columns == other.columns, "copy of different sides")
        for row in 0..<rows {
            unsafe (base + row * stride).update(from: other.base + row * other.stride, count: columns)
        }
    }

    package var isDense: Bool { stride == columns || rows <= 1 }
    package var count: Int { rows * columns }

    @unsafe var base: UnsafeMutablePointer<Float> { unsafe storage.base + offset }
}
