import JanusTensor

/// Keys and values of many sequences ("rows") within one budget of bytes. A row's memory is its own from `open` to
/// `close`, for all the positions it will ever need: what was opened cannot run out of memory later.
///
/// Confined to the thread or actor that runs the model.
package final class KVCache {
    /// Bytes that the open rows may take together.
    package let bytesMax: Int
    package private(set) var bytesUsed = 0
    /// Positions of each row that are filled; 0 for rows that are not open.
    package private(set) var lengths: [Int] = []

    private let configuration: JanusConfiguration
    /// By row number; nil is free to be opened.
    private var stores: [KVStore?] = []

    /// A cache without rows.
    package init(_ configuration: JanusConfiguration, bytesMax: Int) {
        self.configuration = configuration
        self.bytesMax = bytesMax
    }

    /// A cache of exactly these rows, all open.
    package convenience init(_ configuration: JanusConfiguration, rows: Int, positionsMax: Int) {
        precondition(rows >= 1 && positionsMax >= 1, "a cache of \(rows) rows of \(positionsMax) positions")
        self.init(
            configuration, bytesMax: rows * KVStore.bytes(configuration, positions: positionsMax))
        for _ in 0..<rows { _ = open(positions: positionsMax) }
    }

    // MARK: rows

    /// What one row of so many positions takes.
    package func bytes(positions: Int) -> Int { KVStore.bytes(configuration, positions: positions) }

    package var bytesFree: Int { bytesMax - bytesUsed }

    /// A new, empty row with room for `positions`; nil when the budget has not enough left.
    package func open(positions: Int) -> Int? {
        precondition(positions >= 1, "a row of \(positions) positions")
        let bytes = bytes(positions: positions)
        guard bytes <= bytesFree else { return nil }
        bytesUsed += bytes
        let row = stores.firstIndex { $0 == nil } ?? stores.count
        if row == stores.count {
            stores.append(nil)
            lengths.append(0)
        }
        stores[row] = KVStore(configuration, positions: positions)
        return row
    }

    /// Gives a row's memory back. Its number may be opened again.
    package func close(_ row: Int) {
        bytesUsed -= bytes(positions: capacity(of: row))
        stores[row] = nil
        lengths[row] = 0
    }

    /// Positions that a row has room for.
    package func capacity(of row: Int) -> Int { store(row).positions }

    /// Makes the beginning of `target` a copy of that of `source`: how sequences share a prefix.
    /// - Parameter positions: nil copies all of them.
    package func copyRow(_ source: Int, to target: Int, positions: Int? = nil) {
        let count = positions ?? lengths[source]
        precondition(count <= lengths[source] && count <= capacity(of: target), "\(count) positions to copy")
        guard source != target else { return }
        store(target).copy(from: store(source), positions: count)
        lengths[target] = count
    }

    /// Forgets what lies behind the first `length` positions of a row.
    package func truncate(row: Int, to length: Int) {
        precondition(length >= 0 && length <= lengths[row], "\(length) of \(lengths[row]) positions")
        lengths[row] = length
        store(row).clear(from: length)
    }

    // MARK: what a pass does

    /// Rows that a pass writes new positions of, in the order of its batch.
    struct Span {
        var row: Int
        /// Positions before this pass.
        var start: Int
        /// Its rows of the batch.
        var range: Range<Int>
    }

    /// What a layer's attention reads.
    enum View {
        /// Of each span, its row's positions up to the span's end, [positions, keyValueHeads · headSize].
        case full(keys: [Matrix], values: [Matrix])
        /// Of each span, its row's.
        case tiled([TiledCache])
    }

    /// Stores keys and values of a layer, [n, keyValueHeads · headSize], and gives all that was stored.
    func store(layer: Int, _ spans: [Span], keys: Matrix, values: Matrix) -> View {
        var (allKeys, allValues): ([Matrix], [Matrix]) = ([], [])
        var tiled: [TiledCache.Span] = []
        for span in spans {
            let range = span.start..<span.start + span.range.count
            precondition(range.upperBound <= capacity(of: span.row), "position \(range.upperBound) of a row")
            switch store(span.row)[layer] {
            case .full(let rowKeys, let rowValues):
                rowKeys[range].copy(from: keys[span.range])
                rowValues[range].copy(from: values[span.range])
                allKeys.append(rowKeys[0..<range.upperBound])
                allValues.append(rowValues[0..<range.upperBound])
            case .tiled(let cache): tiled.append(.init(cache: cache, start: span.start, range: span.range))
            }
        }
        guard !tiled.isEmpty else { return .full(keys: allKeys, values: allValues) }
        TiledCache.store(tiled, keys: keys, values: values)
        return .tiled(tiled.map(\.cache))
    }

    /// Of each span, a layer's tiles of its row, after those that are in `caches`; false where the cache has none (f32).
    func appendTiles(layer: Int, _ spans: [Span], to caches: inout [TiledCache]) -> Bool {
        for span in spans {
            guard case .tiled(let cache) = store(span.row)[layer] else { return false }
            caches.append(cache)
        }
        return true
    }

    /// After all layers have stored them.
    func append(row: Int, positions: Int) { lengths[row] += positions }

    private func store(_ row: Int) -> KVStore {
        guard stores.indices.contains(row), let store = stores[row] else {
            preconditionFailure("row \(row) is not open")
        }
        return store
    }
}
