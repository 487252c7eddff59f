import CJanusKernels

/// Up to 16 queries of one row whose last visible positions lie in the same tile: what a kernel takes at once.
package struct QueryBlock: Sendable {
    /// Of the cache.
    var row: Int
    /// Its rows of the queries.
    var first: Int
    var count: Int
    /// Positions that the first sees.
    var seen: Int
    /// How many more each next one sees: 1, or 0 where all see the same.
    var step: Int

    /// Queries at the positions from `start` on of a row, each of which sees itself and what is before it.
    package static func causal(row: Int, start: Int, range: Range<Int>) -> [QueryBlock] {
        var blocks: [QueryBlock] = []
        var done = 0
        while done < range.count {
            let position = start + done
            let count = min(queriesMax - position % queriesMax, range.count - done)
            blocks.append(
                QueryBlock(row: row, first: range.lowerBound + done, count: count, seen: position + 1, step: 1))
            done += count
        }
        return blocks
    }

    /// Queries each of which sees `positions` of a row.
    package static func full(row: Int, positions: Int, range: Range<Int>) -> [QueryBlock] {
        stride(from: range.lowerBound, to: range.upperBound, by: queriesMax).map {
            QueryBlock(
                row: row, first: $0, count: min(queriesMax, range.upperBound - $0), seen: positions, step: 0)
        }
    }

    /// Blocks of causal queries begin where tiles begin.
    private static let queriesMax = Int(janus_attention_queries_max)
}

extension Attention {
    /// Attention over keys and values in bf16. A query's result does not depend on the other queries, on the threads or on
    /// the instruction set: alone it is what it is in a prompt.
    /// - Parameters:
    ///   - queries, out: [n, heads · size], n as the blocks say
    ///   - cache: one layer's; heads share its heads in groups.
    package static func attend(
        queries: Matrix, blocks: [QueryBlock], cache: TiledCache, heads: Int, into out: Matrix,
        isa: InstructionSet = Threads.isa
    ) {
        let size = cache.headSize
        precondition(queries.columns == heads * size && heads % cache.heads == 0, "heads of other sizes")
        precondition(out.rows == queries.rows && out.columns == queries.columns, "different sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        var products = 0
        for block in blocks {
            precondition(block.first >= 0 && block.first + block.count <= queries.rows, "queries of a block")
            precondition(block.row >= 0 && block.row < cache.rows && block.seen >= 1, "row \(block.row)")
            precondition(block.seen + (block.count - 1) * block.step <= cache.positionsMax, "more than was stored")
            products += block.count * (block.seen + block.count) * size
        }
        guard !blocks.isEmpty else { return }
        let shared = heads / cache.heads
        let scale = 1 / Float(size).squareRoot()
        // Heads are outermost: each thread keeps one head's keys and values in its cache.
        let grain = max(1, tiledGrainProducts * blocks.count / max(products, 1))
        Threads.split(heads * blocks.count, grain: grain) { range in
            for index in range {
                let (head, number) = index.quotientAndRemainder(dividingBy: blocks.count)
                let block = blocks[number]
                let (row, keyHead) = (block.row, head / shared)
                unsafe janus_tiles_attend(
                    Int32(isa.rawValue), queries.base + block.first * queries.stride + head * size, queries.stride,
                    block.count, block.seen, block.step, size, cache.padded, scale,
                    cache.keys(row: row, head: keyHead), cache.values(row: row, head: keyHead),
                    out.base + block.first * out.stride + head * size, out.stride)
            }
        }
    }

    /// Products that are too few for a thread of their own.
    private static let tiledGrainProducts = 1 << 17
}
