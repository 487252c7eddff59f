import JanusTensor

/// Keys and values of several sequences ("rows"), every layer, allocated once. Memory is touched only where it is used.
///
/// Confined to the thread or actor that runs the model.
package final class KVCache {
    package let rows: Int
    /// Positions that each row has room for.
    package let positionsMax: Int
    /// Positions of each row that are filled.
    package private(set) var lengths: [Int]

    /// Each layer's keys and values, [rows · positionsMax, keyValueHeads · headSize].
    private let keys: [Matrix]
    private let values: [Matrix]

    package init(_ configuration: JanusConfiguration, rows: Int, positionsMax: Int) {
        precondition(rows >= 1 && positionsMax >= 1, "a cache of \(rows) rows of \(positionsMax) positions")
        self.rows = rows
        self.positionsMax = positionsMax
        lengths = Array(repeating: 0, count: rows)
        let width = configuration.language.keyValueHeads * configuration.language.headSize
        let layers = 0..<configuration.language.layers
        keys = layers.map { _ in Matrix(rows: rows * positionsMax, columns: width) }
        values = layers.map { _ in Matrix(rows: rows * positionsMax, columns: width) }
    }

    /// Makes `target` a copy of `source`: images of one prompt share its prefill this way.
    package func copyRow(_ source: Int, to target: Int) {
        precondition(lengths.indices.contains(source) && lengths.indices.contains(target), "row \(source) to \(target)")
        guard source != target else { return }
        for store in keys + values {
            self.row(target, of: store, 0..<lengths[source]).copy(
                from: self.row(source, of: store, 0..<lengths[source]))
        }
        lengths[target] = lengths[source]
    }

    /// Forgets what lies behind the first `length` positions of a row.
    package func truncate(row: Int, to length: Int) {
        precondition(length >= 0 && length <= lengths[row], "\(length) of \(lengths[row]) positions")
        lengths[row] = length
    }

    /// The first `count` positions of a row, [count, width].
    func keys(layer: Int, row: Int, count: Int) -> Matrix { self.row(row, of: keys[layer], 0..<count) }
    func values(layer: Int, row: Int, count: Int) -> Matrix { self.row(row, of: values[layer], 0..<count) }

    /// Stores keys and values [n, width] of a row's positions from `start` on.
    func store(layer: Int, row: Int, start: Int, keys newKeys: Matrix, values newValues: Matrix) {
        let range = start..<start + newKeys.rows
        self.row(row, of: keys[layer], range).copy(from: newKeys)
        self.row(row, of: values[layer], range).copy(from: newValues)
    }

    /// After all layers have stored them.
    func append(row: Int, positions: Int) { lengths[row] += positions }

    private func row(_ row: Int, of store: Matrix, _ range: Range<Int>) -> Matrix {
        precondition(range.upperBound <= positionsMax, "position \(range.upperBound) of \(positionsMax)")
        return store[row * positionsMax + range.lowerBound..<row * positionsMax + range.upperBound]
    }
}
