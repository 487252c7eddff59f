import CJanusKernels
package import JanusJob

/// The keys and values of one sequence, of all its layers: a table of pages.
///
/// Pages that are shared with other sequences are never written to: only whole ones that lie before the sequence's end are
/// shared, positions are stored at the end, and `clear`, which moves the end back, refuses to move it before them.
@safe package final class PagedKeyValues {
    package let pages: KeyValuePagePool
    /// Positions that there is room for; 0 is closed.
    package private(set) var positionsMax = 0
    /// Its pages in order, which kernels read.
    private var table: UnsafeMutablePointer<Int32>
    private var tableMax = 0

    /// A closed one.
    package init(_ pages: KeyValuePagePool) {
        self.pages = pages
        unsafe table = .allocate(capacity: 0)
    }

    /// With pages of its own, of one layer.
    package convenience init(positionsMax: Int, heads: Int, headSize: Int, format: KeyValueFormat = .bf16) {
        let bytes = KeyValuePagePool.bytes(
            positions: positionsMax, layers: 1, heads: heads, headSize: headSize, format: format)
        guard let pages = KeyValuePagePool(bytesMax: bytes, layers: 1, heads: heads, headSize: headSize, format: format)
        else {
            preconditionFailure("out of memory: keys and values of \(bytes) bytes")
        }
        self.init(pages)
        precondition(open(positions: positionsMax), "a cache of \(positionsMax) positions")
    }

    deinit {
        close()
        unsafe table.deallocate()
    }

    /// Takes all pages that so many positions need; false, and none is taken, where there are not enough.
    package func open(positions: Int) -> Bool {
        precondition(positionsMax == 0 && positions >= 1, "\(positions) positions")
        let count = KeyValuePagePool.pages(positions)
        guard count <= pages.pagesFree else { return false }
        if count > tableMax {
            unsafe table.deallocate()
            unsafe table = .allocate(capacity: count)
            tableMax = count
        }
        for index in 0..<count { unsafe table[index] = pages.take() }
        positionsMax = positions
        return true
    }

    package func close() {
        for index in 0..<count { unsafe pages.release(table[index]) }
        positionsMax = 0
    }

    private var count: Int { KeyValuePagePool.pages(positionsMax) }

    /// Pages that would be free if this were closed.
    package var pagesAlone: Int { (0..<count).count { unsafe !pages.isShared(table[$0]) } }

    /// Whether no page with that position or a later one is shared: then they may be written to, or forgotten.
    package func isOwn(from position: Int) -> Bool {
        (position / KeyValuePagePool.pagePositions..<count).allSatisfy { unsafe !pages.isShared(table[$0]) }
    }

    @unsafe func tiles(layer: Int, head: Int) -> janus_tiles {
        unsafe janus_tiles(head: pages.base(layer: layer, head: head), pages: table)
    }

    // MARK: positions

    /// Where new positions of a sequence go.
    package struct Span {
        package var cache: PagedKeyValues
        package var start: Int
        /// Their rows of the keys and values.
        package var range: Range<Int>

        package init(cache: PagedKeyValues, start: Int, range: Range<Int>) {
            self.cache = cache
            self.start = start
            self.range = range
        }
    }

    /// Rounds and stores a layer's keys and values [n, heads · headSize] of all spans.
    package static func store(_ spans: [Span], layer: Int = 0, keys: Matrix, values: Matrix) {
        guard let pages = spans.first?.cache.pages else { return }
        let (heads, size) = (pages.heads, pages.headSize)
        precondition(keys.columns == heads * size && values.columns == keys.columns, "heads of other sizes")
        precondition(keys.rows == values.rows && keys.stride == values.stride, "keys and values lie differently")
        for span in spans {
            let cache = span.cache
            precondition(cache.pages.isLike(pages), "caches of other sizes")
            precondition(
                span.start >= 0 && span.start + span.range.count <= cache.positionsMax,
                "position of \(cache.positionsMax)")
            precondition(cache.isOwn(from: span.start), "position \(span.start) is shared")
            precondition(span.range.lowerBound >= 0 && span.range.upperBound <= keys.rows, "rows \(span.range)")
        }
        let grain = max(1, grainValues / max(keys.rows * size, 1))
        Threads.split(heads, grain: grain) { range in
            for head in range {
                for span in spans {
                    let from = span.range.lowerBound * keys.stride + head * size
                    var layout = span.cache.pages.layout
                    unsafe janus_tiles_store(
                        &layout, keys.base + from, values.base + from, keys.stride, span.start, span.range.count,
                        span.cache.tiles(layer: layer, head: head))
                }
            }
        }
    }

    /// Makes the first `count` positions those of another sequence of the same pages. Whole pages of them are shared, the
    /// others are copied.
    package func copy(from source: PagedKeyValues, positions count: Int) {
        precondition(source.pages === pages, "pages of other memory")
        precondition(count >= 0 && count <= min(positionsMax, source.positionsMax), "\(count) positions")
        guard source !== self else { return }
        let shared = count / KeyValuePagePool.pagePositions
        precondition(isOwn(from: shared * KeyValuePagePool.pagePositions), "position \(count) is shared")
        for index in 0..<shared {
            unsafe pages.share(source.table[index])
            unsafe pages.release(table[index])
            unsafe table[index] = source.table[index]
        }
        for index in shared..<KeyValuePagePool.pages(count) {
            let left = count - index * KeyValuePagePool.pagePositions
            let tiles =
                (min(left, KeyValuePagePool.pagePositions) + KeyValuePagePool.tilePositions - 1)
                / KeyValuePagePool.tilePositions
            copy(tiles: tiles, fromPage: unsafe source.table[index], toPage: unsafe table[index])
        }
        clear(from: count)
    }

    private func copy(tiles: Int, fromPage source: Int32, toPage target: Int32) {
        let pages = pages
        let layout = pages.layout
        let values = tiles * pages.headSize * KeyValuePagePool.tilePositions
        Threads.split(pages.layers * pages.heads, grain: max(1, Self.grainValues / values)) { range in
            for index in range {
                let (layer, head) = index.quotientAndRemainder(dividingBy: pages.heads)
                let base = unsafe pages.base(layer: layer, head: head)
                var layout = layout
                unsafe janus_tiles_copy(
                    &layout, tiles, base + Int(source) * pages.pageBytes, base + Int(target) * pages.pageBytes)
            }
        }
    }

    /// Forgets what lies behind the first `length` positions: nothing of it, not even a NaN, may reach a later sum. What is
    /// forgotten must not be shared.
    package func clear(from length: Int) {
        precondition(length >= 0 && length <= positionsMax, "\(length) of \(positionsMax)")
        precondition(isOwn(from: length), "position \(length) is shared")
        var layout = pages.layout
        for layer in 0..<pages.layers {
            for head in 0..<pages.heads { unsafe janus_tiles_clear(&layout, length, tiles(layer: layer, head: head)) }
        }
    }

    /// Values that are too few for a thread of their own.
    private static let grainValues = 1 << 15
}
