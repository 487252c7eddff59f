import CJanusKernels

/// Scaled dot-product attention over row-major queries, keys and values whose heads lie side by side in a row.
package enum Attention {
    /// Queries at the end of a sequence against its keys: query i of n sees the first keys.rows − n + i + 1 positions where
    /// `causal`, else all.
    /// - Parameters:
    ///   - queries: [n, heads · size]
    ///   - keys, values: [positions, keyHeads · size]; heads share them in groups of heads / keyHeads.
    ///   - isInvariant: each query's result is to depend on that query, the keys and the values only, which are rounded to
    ///     bf16; else OpenBLAS does the products, in f32.
    ///   - tiles: room for keys and values in bf16, of one row, which the next call may use again; nil takes its own.
    ///   - out: [n, heads · size]
    package static func attend(
        queries: Matrix, keys: Matrix, values: Matrix, heads: Int, keyHeads: Int, causal: Bool,
        isInvariant: Bool = false, tiles: PagedKeyValues? = nil, into out: Matrix
    ) {
        if isInvariant {
            return attendInvariant(
                queries: queries, keys: keys, values: values, heads: heads, keyHeads: keyHeads, causal: causal,
                tiles: tiles, into: out)
        }
        let size = queries.columns / heads
        precondition(queries.columns == heads * size && keys.columns == keyHeads * size, "heads of other sizes")
        precondition(values.columns == keys.columns && values.rows == keys.rows, "keys and values differ")
        precondition(heads % keyHeads == 0 && out.rows == queries.rows && out.columns == queries.columns)
        precondition(!causal || keys.rows >= queries.rows, "fewer keys than queries")
        let scale = 1 / Float(size).squareRoot()
        let before = keys.rows - queries.rows
        let scores = Matrix(rows: queries.rows, columns: keys.rows)
        for head in 0..<heads {
            let own = head * size..<(head + 1) * size
            let keyHead = head / (heads / keyHeads)
            let shared = keyHead * size..<(keyHead + 1) * size
            queries.columns(own).multiply(byTransposed: keys.columns(shared), into: scores)
            scores.softmax(scale: scale, counts: causal ? { before + $0 + 1 } : nil)
            scores.multiply(by: values.columns(shared), into: out.columns(own))
        }
    }

    /// As `attend` over keys and values rounded to bf16: the result of one query does not depend on the others.
    private static func attendInvariant(
        queries: Matrix, keys: Matrix, values: Matrix, heads: Int, keyHeads: Int, causal: Bool, tiles: PagedKeyValues?,
        into out: Matrix
    ) {
        precondition(!causal || keys.rows >= queries.rows, "fewer keys than queries")
        let cache =
            tiles ?? PagedKeyValues(positionsMax: keys.rows, heads: keyHeads, headSize: keys.columns / keyHeads)
        PagedKeyValues.store([.init(cache: cache, start: 0, range: 0..<keys.rows)], keys: keys, values: values)
        let all = 0..<queries.rows
        let blocks =
            causal
            ? QueryBlock.causal(cache: 0, start: keys.rows - queries.rows, range: all)
            : QueryBlock.full(cache: 0, positions: keys.rows, range: all)
        attend(queries: queries, blocks: blocks, caches: [cache], heads: heads, into: out)
    }

    /// One query for each of several sequences: rows × heads run in parallel.
    /// - Parameters:
    ///   - queries, out: [n, heads · size]
    ///   - keys, values: for query i its own sequence, [positions, keyHeads · size]
    package static func attendSingle(
        queries: Matrix, keys: [Matrix], values: [Matrix], heads: Int, keyHeads: Int, into out: Matrix
    ) {
        let size = queries.columns / heads
        precondition(queries.columns == heads * size && heads % keyHeads == 0, "heads of other sizes")
        precondition(keys.count == queries.rows && values.count == queries.rows, "a sequence for each query")
        precondition(out.rows == queries.rows && out.columns == queries.columns, "different sides")
        for (key, value) in zip(keys, values) {
            precondition(key.columns == keyHeads * size && value.columns == key.columns && value.rows == key.rows)
            precondition(key.stride == value.stride, "keys and values lie differently")
        }
        let scale = 1 / Float(size).squareRoot()
        let longest = keys.map(\.rows).max() ?? 0
        let scores = Matrix(rows: queries.rows * heads, columns: longest)
        MultiplyAdds.count(2 * keys.reduce(0) { $0 + $1.rows } * queries.columns)
        Threads.split(queries.rows * heads, grain: max(1, grainValues / max(longest * size, 1))) { range in
            for index in range {
                let (row, head) = index.quotientAndRemainder(dividingBy: heads)
                let shared = head / (heads / keyHeads) * size
                unsafe janus_attend(
                    queries.base + row * queries.stride + head * size, keys[row].base + shared,
                    values[row].base + shared, keys[row].stride, keys[row].rows, size, scale,
                    scores.base + index * scores.stride, out.base + row * out.stride + head * size)
            }
        }
    }

    private static let grainValues = 1 << 15
}

extension Matrix {
    /// Rotates each head of each row by its position (rotate-half).
    /// - Parameters:
    ///   - table: cosines then sines of each position, [positions, size].
    ///   - positions: the position of each row.
    package func rotate(heads: Int, table: Matrix, positions: [Int]) {
        precondition(columns == heads * table.columns && positions.count == rows, "heads of other sizes")
        for position in positions { precondition(position >= 0 && position < table.rows, "position \(position)") }
        let half = table.columns / 2
        Threads.split(rows, grain: max(1, Self.rotateGrainValues / max(columns, 1))) { range in
            for row in range {
                let angles = unsafe table.base + positions[row] * table.stride
                unsafe janus_rope(self.base + row * self.stride, angles, angles + half, heads, table.columns)
            }
        }
    }
    /// Values that are too few for a thread of their own.
    private static let rotateGrainValues = 1 << 15
}
