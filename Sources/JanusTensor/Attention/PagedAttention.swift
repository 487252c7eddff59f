import CJanusKernels

/// Up to 16 queries of one sequence whose last visible positions lie in the same tile: what a kernel takes at once.
package struct QueryBlock: Sendable {
    /// Which of the caches it reads.
    var cache: Int
    /// Its rows of the queries.
    var first: Int
    var count: Int
    /// Positions that the first sees.
    var seen: Int
    /// How many more each next one sees: 1, or 0 where all see the same.
    var step: Int

    /// Queries at the positions from `start` on of a sequence, each of which sees itself and what is before it.
    package static func causal(cache: Int, start: Int, range: Range<Int>) -> [QueryBlock] {
        var blocks: [QueryBlock] = []
        appendCausal(to: &blocks, cache: cache, start: start, range: range)
        return blocks
    }

    /// Appends what `causal` gives.
    package static func appendCausal(to blocks: inout [QueryBlock], cache: Int, start: Int, range: Range<Int>) {
        var done = 0
        while done < range.count {
            let position = start + done
            let count = min(queriesMax - position % queriesMax, range.count - done)
            blocks.append(
                QueryBlock(cache: cache, first: range.lowerBound + done, count: count, seen: position + 1, step: 1))
            done += count
        }
    }

    /// Queries each of which sees the first `positions`.
    package static func full(cache: Int, positions: Int, range: Range<Int>) -> [QueryBlock] {
        stride(from: range.lowerBound, to: range.upperBound, by: queriesMax).map {
            QueryBlock(
                cache: cache, first: $0, count: min(queriesMax, range.upperBound - $0), seen: positions, step: 0)
        }
    }

    /// Blocks of causal queries begin where tiles begin.
    fileprivate static let queriesMax = Int(janus_attention_queries_max)
}

extension Attention {
    /// Attention over keys and values in tiles. A query's result does not depend on the other queries, on the threads or on
    /// the instruction set: alone it is what it is in a prompt.
    /// - Parameters:
    ///   - queries, out: [n, heads · size], n as the blocks say
    ///   - caches: of each sequence; heads share their heads in groups.
    package static func attend(
        queries: Matrix, blocks: [QueryBlock], caches: [PagedKeyValues], layer: Int = 0, heads: Int, into out: Matrix,
        isa: InstructionSet = Threads.isa
    ) {
        guard let sample = caches.first?.pages else { return }
        let size = sample.headSize
        precondition(queries.columns == heads * size && heads % sample.heads == 0, "heads of other sizes")
        precondition(caches.allSatisfy { $0.pages.isLike(sample) }, "caches of other sizes")
        precondition(out.rows == queries.rows && out.columns == queries.columns, "different sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        var products = 0
        for block in blocks {
            precondition(block.first >= 0 && block.first + block.count <= queries.rows, "queries of a block")
            precondition(caches.indices.contains(block.cache) && block.seen >= 1, "cache \(block.cache)")
            let positionsMax = caches[block.cache].positionsMax
            precondition(block.seen + (block.count - 1) * block.step <= positionsMax, "more than was stored")
            products += (block.count * block.seen + block.step * block.count * (block.count - 1) / 2) * size
        }
        guard !blocks.isEmpty else { return }
        MultiplyAdds.count(2 * heads * products)
        let shared = heads / sample.heads
        let scale = 1 / Float(size).squareRoot()
        // Heads are outermost: each thread keeps one head's keys and values in its cache.
        let grain = max(1, grainProducts * blocks.count / max(products, 1))
        Threads.split(heads * blocks.count, grain: grain) { range in
            for index in range {
                let (head, number) = index.quotientAndRemainder(dividingBy: blocks.count)
                let block = blocks[number]
                let cache = caches[block.cache]
                var layout = cache.pages.layout
                let tiles = unsafe cache.tiles(layer: layer, head: head / shared)
                unsafe janus_tiles_attend(
                    Int32(isa.rawValue), &layout, queries.base + block.first * queries.stride + head * size,
                    queries.stride, block.count, block.seen, block.step, scale, tiles, tiles, 0,
                    out.base + block.first * out.stride + head * size, out.stride)
            }
        }
    }

    /// One new position of each of several sequences: rotates queries and keys, stores keys and values, attends. The same
    /// bits as `rotate`, `PagedKeyValues.store` and `attend` one after the other.
    /// - Parameters:
    ///   - qkv: [n, (heads + 2 · key heads) · size]: queries, keys and values side by side; rotated in place.
    ///   - rotary: cosines then sines of each position, [positions, size].
    ///   - caches: of each row's sequence.
    ///   - positions: of each row, in its sequence.
    ///   - out: [n, heads · size]
    package static func step(
        qkv: Matrix, heads: Int, rotary: Matrix, caches: [PagedKeyValues], layer: Int = 0, positions: [Int],
        into out: Matrix, isa: InstructionSet = Threads.isa
    ) {
        guard let sample = caches.first?.pages else { return }
        let (size, keyHeads, rows) = (sample.headSize, sample.heads, qkv.rows)
        precondition(caches.count == rows && positions.count == rows, "a sequence for each row")
        precondition(heads % keyHeads == 0 && qkv.columns == (heads + 2 * keyHeads) * size, "heads of other sizes")
        precondition(out.rows == rows && out.columns == heads * size && rotary.columns == size, "different sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        var products = 0
        for (cache, position) in zip(caches, positions) {
            precondition(cache.pages.isLike(sample), "caches of other sizes")
            precondition(cache.isOwn(from: position), "position \(position) is shared")
            precondition(
                position >= 0 && position < cache.positionsMax && position < rotary.rows, "position \(position)")
            products += (position + 1) * size
        }
        MultiplyAdds.count(2 * heads * products)
        let shared = heads / keyHeads
        let scale = 1 / Float(size).squareRoot()
        let grain = max(1, grainProducts * rows / max(products * shared, 1))
        Threads.split(keyHeads * rows, grain: grain) { range in
            for index in range {
                let (head, row) = index.quotientAndRemainder(dividingBy: rows)
                let (cache, position) = (caches[row], positions[row])
                let angles = unsafe rotary.base + position * rotary.stride
                let queries = unsafe qkv.base + row * qkv.stride + head * shared * size
                let key = unsafe qkv.base + row * qkv.stride + (heads + head) * size
                let tiles = unsafe cache.tiles(layer: layer, head: head)
                var layout = cache.pages.layout
                unsafe janus_rope(queries, angles, angles + size / 2, shared, size)
                unsafe janus_rope(key, angles, angles + size / 2, 1, size)
                unsafe janus_tiles_store(&layout, key, key + keyHeads * size, qkv.stride, position, 1, tiles)
                // what this thread reads after the last of these queries
                let isLast = index + 1 == range.upperBound
                let (nextHead, nextRow) = (isLast ? index : index + 1).quotientAndRemainder(dividingBy: rows)
                let next = unsafe caches[nextRow].tiles(layer: layer, head: nextHead)
                for first in Swift.stride(from: 0, to: shared, by: QueryBlock.queriesMax) {
                    let count = min(QueryBlock.queriesMax, shared - first)
                    unsafe janus_tiles_attend(
                        Int32(isa.rawValue), &layout, queries + first * size, size, count, position + 1, 0, scale,
                        tiles, next, isLast ? 0 : positions[nextRow] + 1,
                        out.base + row * out.stride + (head * shared + first) * size, size)
                }
            }
        }
    }

    /// Products that are too few for a thread of their own.
    private static let grainProducts = 1 << 17
}
