import JanusTensor
import TestSupport

/// A matrix of random values, seen through a wider one (its rows are not dense).
func random(_ rows: Int, _ columns: Int, seed: UInt64, scale: Float = 1) -> Matrix {
    var generator = SeededGenerator(seed)
    let values = (0..<rows * (columns + 3)).map { _ in Float.random(in: -scale...scale, using: &generator) }
    return Matrix(values, rows: rows, columns: columns + 3).columns(1..<columns + 1)
}

/// Random values, each times two to an exponent of its own.
func random(
    _ rows: Int, _ columns: Int, seed: UInt64, exponent: (inout SeededGenerator) -> Int
) -> Matrix {
    let matrix = random(rows, columns, seed: seed)
    var generator = SeededGenerator(seed + 100)
    for row in 0..<rows {
        for column in 0..<columns {
            matrix[row, column] *= Float(sign: .plus, exponent: exponent(&generator), significand: 1)
        }
    }
    return matrix
}

/// What two results must share to be the same; all NaN are one.
func bits(_ matrix: Matrix) -> [UInt32] {
    matrix.array().map { $0.isNaN ? Float.nan.bitPattern : $0.bitPattern }
}

/// The same values without gaps.
func dense(_ matrix: Matrix) -> Matrix { Matrix(matrix.array(), rows: matrix.rows, columns: matrix.columns) }

/// max |a − b| / max |b|
func relativeError(_ found: [Float], _ expected: [Double]) -> Double {
    guard found.count == expected.count else { return .infinity }
    let largest = expected.reduce(0) { max($0, abs($1)) }
    var worst = 0.0
    for (a, b) in zip(found, expected) {
        guard a.isFinite else { return .infinity }
        worst = max(worst, abs(Double(a) - b))
    }
    return worst == 0 ? 0 : worst / max(largest, .leastNormalMagnitude)
}

/// x [m, k] · w [n, k]ᵀ in f64.
func naiveProduct(_ x: Matrix, byTransposed w: Matrix) -> [Double] {
    var out: [Double] = []
    for m in 0..<x.rows {
        for n in 0..<w.rows {
            out.append((0..<x.columns).reduce(0) { $0 + Double(x[m, $1]) * Double(w[n, $1]) })
        }
    }
    return out
}
