/// Sizes of rows and columns, and factors on them. Sums are in double, in order, so that they are the same everywhere.
extension Matrix {
    /// The root of the mean square of each column's values.
    package func columnSizes() -> [Double] {
        var sums = [Double](repeating: 0, count: columns)
        for row in 0..<rows {
            let values = unsafe UnsafeBufferPointer(start: base + row * stride, count: columns)
            for column in 0..<columns {
                let value = unsafe Double(values[column])
                sums[column] += value * value
            }
        }
        return sums.map { ($0 / Double(max(rows, 1))).squareRoot() }
    }

    /// The root of the mean square of each row's values, each times its column's weight.
    package func rowSizes(weights: [Double]) -> [Double] {
        precondition(weights.count == columns, "\(weights.count) weights for \(columns) columns")
        return (0..<rows).map { row in
            let values = unsafe UnsafeBufferPointer(start: base + row * stride, count: columns)
            var sum = 0.0
            for column in 0..<columns {
                let value = unsafe Double(values[column]) * weights[column]
                sum += value * value
            }
            return (sum / Double(max(columns, 1))).squareRoot()
        }
    }

    /// Multiplies each column by its factor.
    package func multiplyColumns(by factors: [Float]) {
        precondition(factors.count == columns, "\(factors.count) factors for \(columns) columns")
        for row in 0..<rows {
            let values = unsafe UnsafeMutableBufferPointer(start: base + row * stride, count: columns)
            for column in 0..<columns { unsafe values[column] *= factors[column] }
        }
    }

    /// Divides each row by its factor.
    package func divideRows(by factors: [Float]) {
        precondition(factors.count == rows, "\(factors.count) factors for \(rows) rows")
        for row in 0..<rows {
            let values = unsafe UnsafeMutableBufferPointer(start: base + row * stride, count: columns)
            for column in 0..<columns { unsafe values[column] /= factors[row] }
        }
    }
}
