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

    private enum Storage {
        /// Each layer's keys and values, [rows · positionsMax, keyValueHeads · headSize].
        case full(keys: [Matrix], values: [Matrix])
        case tiled([TiledCache])
    }

    private let storage: Storage

    package init(_ configuration: JanusConfiguration, rows: Int, positionsMax: Int) {
        precondition(rows >= 1 && positionsMax >= 1, "a cache of \(rows) rows of \(positionsMax) positions")
        self.rows = rows
        self.positionsMax = positionsMax
        lengths = Array(repeating: 0, count: rows)
        let (heads, size) = (configuration.language.keyValueHeads, configuration.language.headSize)
        let layers = 0..<configuration.language.layers
        switch configuration.keyValueFormat {
        case .f32:
            storage = .full(
                keys: layers.map { _ in Matrix(rows: rows * positionsMax, columns: heads * size) },
                values: layers.map { _ in Matrix(rows: rows * positionsMax, columns: heads * size) })
        case .bf16:
            storage = .tiled(
                layers.map { _ in TiledCache(rows: rows, positionsMax: positionsMax, heads: heads, headSize: size) })
        }
    }

    /// Makes `target` a copy of `source`: images of one prompt share its prefill this way.
    package func copyRow(_ source: Int, to target: Int) {
        precondition(lengths.indices.contains(source) && lengths.indices.contains(target), "row \(source) to \(target)")
        guard source != target else { return }
        let filled = 0..<lengths[source]
        switch storage {
        case .full(let keys, let values):
            for store in keys + values {
                self.row(target, of: store, filled).copy(from: self.row(source, of: store, filled))
            }
        case .tiled(let layers):
            for layer in layers { layer.copyRow(source, to: target, positions: filled.count) }
        }
        lengths[target] = lengths[source]
    }

    /// Forgets what lies behind the first `length` positions of a row.
    package func truncate(row: Int, to length: Int) {
        precondition(length >= 0 && length <= lengths[row], "\(length) of \(lengths[row]) positions")
        lengths[row] = length
        switch storage {
        case .full: break
        case .tiled(let layers):
            for layer in layers { layer.clear(row: row, from: length) }
        }
    }

    /// Stores keys and values of a layer, [n, keyValueHeads · headSize], for the rows' positions that the parts name.
    func store(layer: Int, _ parts: [TiledCache.Span], keys newKeys: Matrix, values newValues: Matrix) {
        switch storage {
        case .full(let keys, let values):
            for part in parts {
                let range = part.start..<part.start + part.range.count
                row(part.row, of: keys[layer], range).copy(from: newKeys[part.range])
                row(part.row, of: values[layer], range).copy(from: newValues[part.range])
            }
        case .tiled(let layers): layers[layer].store(parts, keys: newKeys, values: newValues)
        }
    }

    /// What a layer's attention reads.
    enum View {
        /// Of each part, its row's positions up to the part's end, [positions, keyValueHeads · headSize].
        case full(keys: [Matrix], values: [Matrix])
        case tiled(TiledCache)
    }

    func view(layer: Int, _ parts: [TiledCache.Span]) -> View {
        switch storage {
        case .full(let keys, let values):
            .full(
                keys: parts.map { row($0.row, of: keys[layer], 0..<$0.start + $0.range.count) },
                values: parts.map { row($0.row, of: values[layer], 0..<$0.start + $0.range.count) })
        case .tiled(let layers): .tiled(layers[layer])
        }
    }

    /// After all layers have stored them.
    func append(row: Int, positions: Int) { lengths[row] += positions }

    private func row(_ row: Int, of store: Matrix, _ range: Range<Int>) -> Matrix {
        precondition(range.upperBound <= positionsMax, "position \(range.upperBound) of \(positionsMax)")
        return store[row * positionsMax + range.lowerBound..<row * positionsMax + range.upperBound]
    }
}
