import JanusTensor

/// Cosines and sines of every position's angles, made for as many positions as were asked for.
///
/// Angles are rounded as the official code rounds them (f32 frequency times f32 position); their cosines are our own, so
/// that they are the same on every machine.
struct RotaryTable {
    private let frequencies: [Float]
    private let positionsMax: Int
    /// [positions, headSize]: cosines, then sines
    private(set) var table: Matrix

    init(headSize: Int, theta: Double, positionsMax: Int) {
        let logarithm = ElementaryFunctions.log(theta)
        frequencies = (0..<headSize / 2).map {
            Float(ElementaryFunctions.exp(-logarithm * Double(2 * $0) / Double(headSize)))
        }
        self.positionsMax = positionsMax
        table = Matrix(rows: 0, columns: headSize)
    }

    mutating func extend(to positions: Int) {
        guard positions > table.rows else { return }
        let rows = max(positions, min(max(2 * table.rows, Self.positionsAtFirst), positionsMax))
        let longer = Matrix(rows: rows, columns: table.columns)
        longer[0..<table.rows].copy(from: table)
        for position in table.rows..<rows {
            for (index, frequency) in frequencies.enumerated() {
                let (cosine, sine) = ElementaryFunctions.cosineAndSine(Double(Float(position) * frequency))
                longer[position, index] = Float(cosine)
                longer[position, frequencies.count + index] = Float(sine)
            }
        }
        table = longer
    }

    private static let positionsAtFirst = 1024
}
