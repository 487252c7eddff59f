import CJanusKernels

/// Keys and values of one sequence and layer in bf16, as the attention kernels read them: for each head all tiles of keys,
/// then all tiles of values. Memory is touched only where it is used.
package final class TiledCache {
    package let positionsMax: Int
    package let heads: Int
    package let headSize: Int
    /// Values of a head with the zeros behind them.
    let padded: Int
    private let storage: ByteStorage

    package init(positionsMax: Int, heads: Int, headSize: Int) {
        precondition(positionsMax >= 1 && heads >= 1, "a cache of \(positionsMax) positions and \(heads) heads")
        precondition(headSize >= 1 && headSize <= Self.headSizeMax, "a head of \(headSize)")
        self.positionsMax = positionsMax
        self.heads = heads
        self.headSize = headSize
        padded = Self.padded(headSize)
        storage = ByteStorage(count: Self.bytes(positions: positionsMax, heads: heads, headSize: headSize))
    }

    /// What a cache with room for so many positions takes: whole tiles.
    package static func bytes(positions: Int, heads: Int, headSize: Int) -> Int {
        tiles(positions) * tilePositions * bytesPerPosition(heads: heads, headSize: headSize)
    }

    /// Bytes that a position takes, keys and values together.
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

    @unsafe func keys(head: Int) -> UnsafeMutablePointer<UInt16> {
        unsafe storage.base.assumingMemoryBound(to: UInt16.self) + head * 2 * headValues
    }

    @unsafe func values(head: Int) -> UnsafeMutablePointer<UInt16> { unsafe keys(head: head) + headValues }

    @unsafe func tiles(head: Int) -> janus_tiles {
        unsafe janus_tiles(keys: keys(head: head), values: values(head: head))
    }

    /// Where new positions of a sequence go.
    package struct Span {
        package var cache: TiledCache
        package var start: Int
        /// Their rows of the keys and values.
        package var range: Range<Int>

        package init(cache: TiledCache, start: Int, range: Range<Int>) {
            self.cache = cache
            self.start = start
            self.range = range
        }
    }

    /// Rounds and stores keys and values [n, heads · headSize] of all spans.
    package static func store(_ spans: [Span], keys: Matrix, values: Matrix) {
        guard let first = spans.first?.cache else { return }
        let (heads, size) = (first.heads, first.headSize)
        precondition(keys.columns == heads * size && values.columns == keys.columns, "heads of other sizes")
        precondition(keys.rows == values.rows && keys.stride == values.stride, "keys and values lie differently")
        for span in spans {
            let cache = span.cache
            precondition(cache.heads == heads && cache.headSize == size && span.start >= 0, "heads of other sizes")
            precondition(span.start + span.range.count <= cache.positionsMax, "position of \(cache.positionsMax)")
            precondition(span.range.lowerBound >= 0 && span.range.upperBound <= keys.rows, "rows \(span.range)")
        }
        let grain = max(1, storeGrainValues / max(keys.rows * size, 1))
        Threads.split(heads, grain: grain) { range in
            for head in range {
                for span in spans {
                    let from = span.range.lowerBound * keys.stride + head * size
                    unsafe janus_tiles_store(
                        keys.base + from, values.base + from, keys.stride, span.start, span.range.count, size,
                        span.cache.padded, span.cache.keys(head: head), span.cache.values(head: head))
                }
            }
        }
    }

    /// Makes the first `positions` those of another cache of the same heads, in whole tiles.
    package func copy(from source: TiledCache, positions: Int) {
        precondition(source.heads == heads && source.headSize == headSize, "heads of other sizes")
        precondition(positions >= 0 && positions <= min(positionsMax, source.positionsMax), "\(positions) positions")
        let count = Self.tiles(positions) * Self.tilePositions * padded
        Threads.split(heads, grain: max(1, Self.storeGrainValues / max(count, 1))) { range in
            for head in range {
                unsafe self.keys(head: head).update(from: source.keys(head: head), count: count)
                unsafe self.values(head: head).update(from: source.values(head: head), count: count)
            }
        }
        clear(from: positions)
    }

    /// Forgets what lies behind the first `length` positions: nothing of it, not even a NaN, may reach a later sum.
    package func clear(from length: Int) {
        precondition(length >= 0 && length <= positionsMax, "\(length) of \(positionsMax)")
        for head in 0..<heads { unsafe janus_tiles_clear(length, padded, values(head: head)) }
    }

    /// Values that are too few for a thread of their own.
    private static let storeGrainValues = 1 << 15
}
