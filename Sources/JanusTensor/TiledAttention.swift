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
        var done = 0
        while done < range.count {
            let position = start + done
            let count = min(queriesMax - position % queriesMax, range.count - done)
            blocks.append(
                QueryBlock(cache: cache, first: range.lowerBound + done, count: count, seen: position + 1, step: 1))
            done += count
        }
        return blocks
    }

    /// Queries each of which sees the first `positions`.
    package static func full(cache: Int, positions: Int, range: Range<Int>) -> [QueryBlock] {
        stride(from: range.lowerBound, to: range.upperBound, by: queriesMax).map {
            QueryBlock(
                cache: cache, first: $0, count: min(queriesMax, range.upperBound - $0), seen: positions, step: 0)
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
    ///   - caches: one layer's, of each sequence; heads share their heads in groups.
    package static func attend(
        queries: Matrix, blocks: [QueryBlock], caches: [TiledCache], heads: Int, into out: Matrix,
        isa: InstructionSet = Threads.isa
    ) {
        guard let sample = caches.first else { return }
        let size = sample.headSize
        precondition(queries.columns == heads * size && heads % sample.heads == 0, "heads of other sizes")
        precondition(caches.allSatisfy { $0.headSize == size && $0.heads == sample.heads }, "caches of other sizes")
        precondition(out.rows == queries.rows && out.columns == queries.columns, "different sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        var products = 0
        for block in blocks {
            precondition(block.first >= 0 && block.first + block.count <= queries.rows, "queries of a block")
            precondition(caches.indices.contains(block.cache) && block.seen >= 1, "cache \(block.cache)")
            let room = caches[block.cache].positionsMax
            precondition(block.seen + (block.count - 1) * block.step <= room, "more than was stored")
            products += block.count * (block.seen + block.count) * size
        }
        guard !blocks.isEmpty else { return }
        let shared = heads / sample.heads
        let scale = 1 / Float(size).squareRoot()
        // Heads are outermost: each thread keeps one head's keys and values in its cache.
        let grain = max(1, tiledGrainProducts * blocks.count / max(products, 1))
        Threads.split(heads * blocks.count, grain: grain) { range in
            for index in range {
                let (head, number) = index.quotientAndRemainder(dividingBy: blocks.count)
                let block = blocks[number]
                let (cache, keyHead) = (caches[block.cache], head / shared)
                unsafe janus_tiles_attend(
                    Int32(isa.rawValue), queries.base + block.first * queries.stride + head * size, queries.stride,
                    block.count, block.seen, block.step, size, cache.padded, scale,
                    cache.keys(head: keyHead), cache.values(head: keyHead),
                    out.base + block.first * out.stride + head * size, out.stride)
            }
        }
    }

    /// Products that are too few for a thread of their own.
    private static let tiledGrainProducts = 1 << 17
}
