/// Memory that matrices of changing sides have one after the other: it grows, never shrinks.
package struct GrowingMatrix {
    private var storage = FloatStorage(count: 0)

    package init() {}

    /// Room for so many values.
    package init(count: Int) { storage = FloatStorage(count: count) }

    /// A matrix with whatever was there; those that were given before are overwritten.
    package mutating func matrix(rows: Int, columns: Int) -> Matrix {
        precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) × \(columns)")
        if storage.count < rows * columns { storage = FloatStorage(count: rows * columns) }
        return Matrix(reusing: storage, rows: rows, columns: columns)
    }
}
