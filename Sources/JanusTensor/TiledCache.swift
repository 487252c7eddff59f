import CJanusKernels

/// Keys and values of several sequences ("rows") in bf16, as the attention kernels read them: for each row and head all
/// tiles of keys, then all tiles of values. Memory is touched only where it is used.
package final class TiledCache {
    package let rows: Int
    package let positionsMax: Int
    package let heads: Int
    package let headSize: Int
    /// Values of a head with the zeros behind them.
    let padded: Int
    private let storage: ByteStorage

    package init(rows: Int, positionsMax: Int, heads: Int, headSize: Int) {
        precondition(
            rows >= 1 && positionsMax >= 1 && heads >= 1, "a cache of \(rows) rows of \(positionsMax) positions")
        precondition(headSize >= 1 && headSize <= Self.headSizeMax, "a head of \(headSize)")
        self.rows = rows
        self.positionsMax = positionsMax
        self.heads = heads
        self.headSize = headSize
        padded = Self.padded(headSize)
        let tiles = Self.tiles(positionsMax)
        storage = ByteStorage(
            count: rows * heads * 2 * tiles * Self.tilePositions * Self.padded(headSize)
                * MemoryLayout<UInt16>.stride)
    }

    /// Bytes that a position of one row takes, keys and values together.
    package static func bytesPerPosition(heads: Int, headSize: Int) -> Int {
        2 * heads * padded(headSize) * MemoryLayout<UInt16>.stride
    }

    package static let headSizeMax = Int(janus_head_size_max)
    package static let tilePositions = Int(janus_tile_positions)

    private static func padded(_ headSize: Int) -> Int {
        (headSize + Int(janus_head_multiple) - 1) / Int(janus_head_multiple) * Int(janus_head_multiple)
    }
    private static func tiles(_ positions: Int) -> Int { (positions + tilePositions - 1) / tilePositions }

    /// Values of all tiles of one head's keys, or of its values.
    private var headValues: Int { Self.tiles(positionsMax) * Self.tilePositions * padded }

    @unsafe func keys(row: Int, head: Int) -> UnsafeMutablePointer<UInt16> {
        unsafe storage.base.assumingMemoryBound(to: UInt16.self) + (row * heads + head) * 2 * headValues
    }

    @unsafe func values(row: Int, head: Int) -> UnsafeMutablePointer<UInt16> {
        unsafe keys(row: row, head: head) + headValues
    }

    /// Where new positions of a row go.
    package struct Span: Sendable {
        package var row: Int
        package var start: Int
        /// Their rows of the keys and values.
        package var range: Range<Int>

        package init(row: Int, start: Int, range: Range<Int>) {
            self.row = row
            self.start = start
            self.range = range
        }
    }

    /// Rounds and stores keys and values [n, heads · headSize] of all spans.
    package func store(_ spans: [Span], keys: Matrix, values: Matrix) {
        precondition(keys.columns == heads * headSize && values.columns == keys.columns, "heads of other sizes")
        precondition(keys.rows == values.rows && keys.stride == values.stride, "keys and values lie differently")
        for span in spans {
            precondition(span.row >= 0 && span.row < rows && span.start >= 0, "row \(span.row)")
            precondition(span.start + span.range.count <= positionsMax, "position of \(positionsMax)")
            precondition(span.range.lowerBound >= 0 && span.range.upperBound <= keys.rows, "rows \(span.range)")
        }
        let grain = max(1, Self.storeGrainValues / max(keys.rows * headSize, 1))
        Threads.split(heads, grain: grain) { range in
            for head in range {
                for span in spans {
                    let from = span.range.lowerBound * keys.stride + head * self.headSize
                    unsafe janus_tiles_store(
                        keys.base + from, values.base + from, keys.stride, span.start, span.range.count, self.headSize,
                        self.padded, self.keys(row: span.row, head: head), self.values(row: span.row, head: head))
                }
            }
        }
    }

    /// Makes the first `positions` of `target` those of `source`, in whole tiles.
    package func copyRow(_ source: Int, to target: Int, positions: Int) {
        precondition(source >= 0 && source < rows && target >= 0 && target < rows, "row \(source) to \(target)")
        precondition(positions >= 0 && positions <= positionsMax, "\(positions) of \(positionsMax) positions")
        guard source != target else { return }
        let count = Self.tiles(positions) * Self.tilePositions * padded
        Threads.split(heads, grain: max(1, Self.storeGrainValues / max(count, 1))) { range in
            for head in range {
                unsafe self.keys(row: target, head: head).update(from: self.keys(row: source, head: head), count: count)
                unsafe self.values(row: target, head: head).update(
                    from: self.values(row: source, head: head), count: count)
            }
        }
    }

    /// Forgets what lies behind the first `length` positions: nothing of it, not even a NaN, may reach a later sum.
    package func clear(row: Int, from length: Int) {
        precondition(row >= 0 && row < rows && length >= 0 && length <= positionsMax, "\(length) of \(positionsMax)")
        for head in 0..<heads { unsafe janus_tiles_clear(length, padded, values(row: row, head: head)) }
    }

    /// Values that are too few for a thread of their own.
    private static let storeGrainValues = 1 << 15
}
