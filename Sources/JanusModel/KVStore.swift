import JanusTensor

/// How one row's keys and values lie in memory: layer after layer, keys before values, [positions, keyValueHeads · headSize].
/// New memory is zero and is touched only where it is used.
struct KVStore {
    /// Positions that there is room for.
    let positions: Int
    private let layers: Int
    /// [layers · 2 · positions, width]
    private let values: Matrix

    init(_ configuration: LanguageConfiguration, positions: Int) {
        self.positions = positions
        layers = configuration.layers
        values = Matrix(rows: 2 * layers * positions, columns: Self.width(configuration))
    }

    /// What a row of so many positions takes.
    static func bytes(_ configuration: LanguageConfiguration, positions: Int) -> Int {
        2 * configuration.layers * positions * width(configuration) * MemoryLayout<Float>.stride
    }

    private static func width(_ configuration: LanguageConfiguration) -> Int {
        configuration.keyValueHeads * configuration.headSize
    }

    func keys(layer: Int, _ range: Range<Int>) -> Matrix { part(2 * layer, range) }
    func values(layer: Int, _ range: Range<Int>) -> Matrix { part(2 * layer + 1, range) }

    /// The first positions of every layer.
    func copy(from other: KVStore, positions count: Int) {
        for index in 0..<2 * layers { part(index, 0..<count).copy(from: other.part(index, 0..<count)) }
    }

    private func part(_ index: Int, _ range: Range<Int>) -> Matrix {
        precondition(range.upperBound <= positions, "position \(range.upperBound) of \(positions)")
        return values[index * positions + range.lowerBound..<index * positions + range.upperBound]
    }
}
