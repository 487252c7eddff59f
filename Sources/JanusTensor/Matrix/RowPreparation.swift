/// What fills a row of a product's input just before it is read, on the thread that reads it.
package enum RowPreparation {
    /// From the same row of x: x / √(mean(x²) + ε) · weight.
    case rmsNorm(of: Matrix, weight: Matrix, epsilon: Float)
    /// From the same row of x: (x − mean) / √(variance + ε) · weight + bias.
    case layerNorm(of: Matrix, weight: Matrix, bias: Matrix, epsilon: Float)
    /// In place: exact GELU.
    case gelu
    /// In place: swish(value) · the other's, from the same row.
    case swishMultiply(by: Matrix)

    func fill(_ row: Int, of target: Matrix) {
        switch self {
        case .rmsNorm(let x, let weight, let epsilon):
            x.rmsNorm(weight: weight, epsilon: epsilon, into: target, row: row)
        case .layerNorm(let x, let weight, let bias, let epsilon):
            x.layerNorm(weight: weight, bias: bias, epsilon: epsilon, into: target, row: row)
        case .gelu: target.gelu(row: row)
        case .swishMultiply(let other): target.swishMultiply(by: other, row: row)
        }
    }
}
