import JanusJob
import JanusTensor

/// Keys and values of many sequences ("rows") within one budget of bytes. A row's memory is its own from `open` to
/// `close`, for all the positions it will ever need: what was opened cannot run out of memory later.
///
/// Packed models keep them in pages of one mapping, which is there from the beginning: rows take pages and give them back,
/// and the budget is counted in whole pages. In f32 each row has matrices of its own, as OpenBLAS needs them.
///
/// Confined to the thread or actor that runs the model.
package final class KVCache {
    /// Bytes that the open rows may take together.
    package let bytesMax: Int
    /// Positions of each row that are filled; 0 for rows that are not open.
    package private(set) var lengths: [Int] = []

    private let configuration: JanusConfiguration
    /// nil in f32.
    private let pages: KeyValuePagePool?
    /// By row number; nil is free to be opened.
    private var stores: [KVStore?] = []
    /// Tables of rows that were closed, for the next.
    private var closed: [PagedKeyValues] = []
    private var fullBytesUsed = 0

    /// A cache without rows.
    /// - Throws: `cacheMemory`
    package init(_ configuration: JanusConfiguration, bytesMax: Int) throws(ModelError) {
        self.configuration = configuration
        self.bytesMax = bytesMax
        guard let format = configuration.keyValueFormat else {
            pages = nil
            return
        }
        let language = configuration.language
        pages = KeyValuePagePool(
            bytesMax: bytesMax, layers: language.layers, heads: language.keyValueHeads, headSize: language.headSize,
            format: format)
        if pages == nil { throw .cacheMemory(bytes: bytesMax) }
    }

    /// A cache of exactly these rows, all open.
    package convenience init(_ configuration: JanusConfiguration, rows: Int, positionsMax: Int) throws(ModelError) {
        precondition(rows >= 1 && positionsMax >= 1, "a cache of \(rows) rows of \(positionsMax) positions")
        try self.init(configuration, bytesMax: rows * configuration.cacheBytes(positions: positionsMax))
        for _ in 0..<rows { _ = open(positions: positionsMax) }
    }

    // MARK: rows

    /// What one row of so many positions takes.
    package func bytes(positions: Int) -> Int { configuration.cacheBytes(positions: positions) }

    package var bytesUsed: Int { pages.map { $0.pagesUsed * $0.pageBytes } ?? fullBytesUsed }
    package var bytesFree: Int { pages.map { ($0.pagesMax - $0.pagesUsed) * $0.pageBytes } ?? bytesMax - fullBytesUsed }

    /// What closing a row would give back: not the pages that others share.
    package func bytesAlone(_ row: Int) -> Int {
        switch store(row) {
        case .full(let store): bytes(positions: store.positions)
        case .paged(let tiles): tiles.pagesAlone * tiles.pages.pageBytes
        }
    }

    /// A new, empty row with room for `positions`; nil when the budget has not enough left.
    package func open(positions: Int) -> Int? {
        precondition(positions >= 1, "a row of \(positions) positions")
        let bytes = bytes(positions: positions)
        guard bytes <= bytesFree else { return nil }
        let row = stores.firstIndex { $0 == nil } ?? stores.count
        if row == stores.count {
            stores.append(nil)
            lengths.append(0)
        }
        if let pages {
            let tiles = closed.popLast() ?? PagedKeyValues(pages)
            precondition(tiles.open(positions: positions), "fewer pages than bytes")
            stores[row] = .paged(tiles)
        } else {
            fullBytesUsed += bytes
            stores[row] = .full(FullStore(configuration, positions: positions))
        }
        return row
    }

    /// Gives a row's memory back. Its number may be opened again.
    package func close(_ row: Int) {
        switch store(row) {
        case .full(let store): fullBytesUsed -= bytes(positions: store.positions)
        case .paged(let tiles):
            tiles.close()
            closed.append(tiles)
        }
        stores[row] = nil
        lengths[row] = 0
    }

    /// Positions that a row has room for.
    package func capacity(of row: Int) -> Int {
        switch store(row) {
        case .full(let store): store.positions
        case .paged(let tiles): tiles.positionsMax
        }
    }

    /// Makes the beginning of `target` what `source` has: how sequences share a prefix. Pages that lie in it whole are shared
    /// from then on, and those that `target` had for them are free; the rest is copied.
    package func copyRow(_ source: Int, to target: Int) {
        let count = lengths[source]
        precondition(count <= capacity(of: target), "\(count) positions to copy")
        guard source != target else { return }
        switch (store(target), store(source)) {
        case (.full(let target), .full(let source)): target.copy(from: source, positions: count)
        case (.paged(let target), .paged(let source)): target.copy(from: source, positions: count)
        case (.full, .paged), (.paged, .full): preconditionFailure("rows of one cache in two formats")
        }
        lengths[target] = count
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

    /// Where a row lies in tiles; nil in f32.
    func tiles(of row: Int) -> PagedKeyValues? {
        switch store(row) {
        case .full: nil
        case .paged(let tiles): tiles
        }
    }

    /// In f32: stores keys and values of a layer, [n, keyValueHeads · headSize], and gives of each span all that its row has up
    /// to the span's end, [positions, keyValueHeads · headSize].
    func store(layer: Int, _ spans: [Span], keys: Matrix, values: Matrix) -> (keys: [Matrix], values: [Matrix]) {
        var all: (keys: [Matrix], values: [Matrix]) = ([], [])
        for span in spans {
            guard case .full(let store) = store(span.row) else { preconditionFailure("a row in tiles") }
            let range = span.start..<span.start + span.range.count
            precondition(range.upperBound <= store.positions, "position \(range.upperBound) of a row")
            store.keys[layer][range].copy(from: keys[span.range])
            store.values[layer][range].copy(from: values[span.range])
            all.keys.append(store.keys[layer][0..<range.upperBound])
            all.values.append(store.values[layer][0..<range.upperBound])
        }
        return all
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
