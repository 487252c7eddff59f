import Foundation
import JanusJob
import JanusTensor
import Testing

@Suite("attention over keys and values in tiles")
struct PagedAttentionTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var positions: Int
        var size: Int
        var heads = 2
        var keyHeads = 1

        var testDescription: String { "\(positions) positions, \(heads)/\(keyHeads) heads of \(size)" }
    }

    static let shapes = [
        Shape(positions: 1, size: 2), Shape(positions: 2, size: 1, heads: 1), Shape(positions: 15, size: 16),
        Shape(positions: 16, size: 33), Shape(positions: 17, size: 64, heads: 3, keyHeads: 3),
        Shape(positions: 47, size: 128, heads: 4, keyHeads: 2), Shape(positions: 271, size: 48),
        Shape(positions: 300, size: 130, heads: 1), Shape(positions: 530, size: 24),
        Shape(positions: 31, size: 512, heads: 1),
    ]

    enum Sizes: CaseIterable {
        case ordinary
        /// Scores far apart: most weights vanish.
        case sharp
        case extreme
        case tiny
    }

    private func values(_ rows: Int, _ columns: Int, seed: UInt64, _ sizes: Sizes) -> Matrix {
        random(rows, columns, seed: seed) {
            switch sizes {
            case .ordinary: 1
            case .sharp: 5
            case .extreme: Int.random(in: -30...20, using: &$0)
            case .tiny: -64 + Int.random(in: -8...0, using: &$0)
            }
        }
    }

    private struct Case {
        var queries: Matrix
        var keys: Matrix
        var values: Matrix
        var shape: Shape
    }

    private func make(_ shape: Shape, _ sizes: Sizes = .ordinary) -> Case {
        let n = shape.positions
        return Case(
            queries: values(n, shape.heads * shape.size, seed: 1, sizes),
            keys: values(n, shape.keyHeads * shape.size, seed: 2, sizes),
            values: values(n, shape.keyHeads * shape.size, seed: 3, sizes), shape: shape)
    }

    /// Prefills the second of two caches in chunks and attends after each.
    private func run(
        _ test: Case, chunks: [Int], _ format: KeyValueFormat, isa: InstructionSet = .best
    ) -> [UInt32] {
        let out = attend(test, chunks: chunks, format, isa: isa)
        return bits(out)
    }

    private func attend(
        _ test: Case, chunks: [Int], _ format: KeyValueFormat, isa: InstructionSet = .best
    ) -> Matrix {
        let shape = test.shape
        let caches = (0..<2).map { _ in
            PagedKeyValues(positionsMax: shape.positions, heads: shape.keyHeads, headSize: shape.size, format: format)
        }
        let out = Matrix(rows: shape.positions, columns: shape.heads * shape.size)
        var start = 0
        for count in chunks where start < shape.positions {
            let range = start..<min(start + count, shape.positions)
            PagedKeyValues.store(
                [.init(cache: caches[1], start: start, range: range)], keys: test.keys, values: test.values)
            Attention.attend(
                queries: test.queries, blocks: QueryBlock.causal(cache: 1, start: start, range: range), caches: caches,
                heads: shape.heads, into: out, isa: isa)
            start = range.upperBound
        }
        return out
    }

    @Test(
        "every instruction set equals its scalar twin bit for bit",
        .enabled(if: !InstructionSet.twins.isEmpty, InstructionSet.noTwins), arguments: shapes, KeyValueFormat.allCases)
    func twins(shape: Shape, format: KeyValueFormat) {
        for sizes in Sizes.allCases {
            let test = make(shape, sizes)
            if sizes == .extreme, shape.positions > 20 {
                test.values[shape.positions - 1, 0] = .infinity
                test.keys[shape.positions - 2, 0] = .nan
            }
            let expected = run(test, chunks: [shape.positions], format, isa: .scalar)
            InstructionSet.compare(InstructionSet.twins) { isa in
                // as a variable: a failed expectation would compare both value by value
                let isSame = run(test, chunks: [shape.positions], format, isa: isa) == expected
                #expect(isSame, "\(isa.name), \(sizes)")
            }
        }
    }

    @Test("prefilled or decoded, in any chunks: the same bits", arguments: shapes, InstructionSet.supported)
    func prefillIsDecode(shape: Shape, isa: InstructionSet) {
        let test = make(shape)
        let n = shape.positions
        for format in KeyValueFormat.allCases {
            let whole = run(test, chunks: [n], format, isa: isa)
            for (first, then) in [([], 1), ([3], 13), ([1, 16, 15, 17], 32)] {
                let chunks = first + Array(repeating: then, count: n)
                let isSame = run(test, chunks: chunks, format, isa: isa) == whole
                #expect(isSame, "\(format), chunks of \(chunks.prefix(5))")
            }
        }
    }

    @Test("in 8 bits what is not finite is NaN in all that sees it, and in nothing else", arguments: 0..<3)
    func notFinite(place: Int) {
        let shape = Shape(positions: 300, size: 64)
        let whole = make(shape)
        let expected = attend(whole, chunks: [300], .int8)
        for wrong: Float in [.nan, .infinity, -.infinity] {
            let test = make(shape)
            [test.queries, test.keys, test.values][place][40, 5] = wrong
            for isa in InstructionSet.supported {
                let found = attend(test, chunks: [300], .int8, isa: isa)
                let isBeforeSame = bits(found[0..<40]) == bits(expected[0..<40])
                #expect(isBeforeSame)
                // a query is seen by its own head only
                let seeing = place == 0 ? found[40..<41].columns(0..<64) : found[40..<300]
                let isNaN = seeing.array().allSatisfy { $0.isNaN }
                #expect(isNaN, "\(wrong), \(isa.name)")
                let isBehindSame = bits(found[41..<300]) == bits(expected[41..<300])
                #expect(isBehindSame == (place == 0))
            }
        }
    }

    @Test("8 bits are near to exact attention, also where a channel is much greater than the others", arguments: shapes)
    func nearInt8(shape: Shape) {
        for (factor, bound) in [(Float(1), 0.03), (20, 0.06)] {
            let test = make(shape)
            for row in 0..<shape.positions {
                test.values[row, 0] *= factor
                test.keys[row, 0] *= factor
                for head in 0..<shape.heads { test.queries[row, head * shape.size] /= factor }
            }
            let found = attend(test, chunks: [shape.positions], .int8).array()
            #expect(relativeError(found, naive(test, causal: true)) < bound, "channel × \(factor)")
        }
    }

    @Test("one thread or two: the same bits", arguments: KeyValueFormat.allCases)
    func threads(format: KeyValueFormat) {
        let test = make(Shape(positions: 300, size: 64, heads: 4, keyHeads: 4))
        let before = Threads.count
        let results = [1, 2].map { count in
            Threads.configure(count)
            return run(test, chunks: [200, 100], format)
        }
        Threads.configure(before)
        #expect(results[1] == results[0])
    }

    @Test("results are near those of f64", arguments: shapes)
    func near(shape: Shape) {
        let test = make(shape)
        let out = Matrix(rows: shape.positions, columns: shape.heads * shape.size)
        for causal in [true, false] {
            Attention.attend(
                queries: test.queries, keys: test.keys, values: test.values, heads: shape.heads,
                keyHeads: shape.keyHeads, causal: causal, isInvariant: true, into: out)
            #expect(relativeError(out.array(), naive(test, causal: causal)) < 0.02, "causal \(causal)")
        }
    }

    private func naive(_ test: Case, causal: Bool) -> [Double] {
        let (size, heads) = (test.shape.size, test.shape.heads)
        var out = [Double](repeating: 0, count: test.queries.count)
        for row in 0..<test.queries.rows {
            for head in 0..<heads {
                let base = head / (heads / test.shape.keyHeads) * size
                let seen = causal ? row + 1 : test.keys.rows
                let scores = (0..<seen).map { position in
                    (0..<size).reduce(0.0) {
                        $0 + Double(test.queries[row, head * size + $1]) * Double(test.keys[position, base + $1])
                    } / Double(size).squareRoot()
                }
                let greatest = scores.max() ?? 0
                let powers = scores.map { Foundation.exp($0 - greatest) }
                let sum = powers.reduce(0, +)
                for lane in 0..<size {
                    out[(row * heads + head) * size + lane] = powers.enumerated().reduce(0) {
                        $0 + $1.element / sum * Double(test.values[$1.offset, base + lane])
                    }
                }
            }
        }
        return out
    }

    @Test(
        "a copied row, a cut row and a row that is used again: nothing of before is left",
        arguments: KeyValueFormat.allCases)
    func reused(format: KeyValueFormat) throws {
        let shape = Shape(positions: 60, size: 32)
        let test = make(shape)
        let whole = run(test, chunks: [60], format)
        let bytes = KeyValuePagePool.bytes(positions: 64, layers: 1, heads: 1, headSize: 32, format: format)
        let pages = try #require(
            KeyValuePagePool(bytesMax: 3 * bytes, layers: 1, heads: 1, headSize: 32, format: format))
        let caches = (0..<3).map { _ in PagedKeyValues(pages) }
        for cache in caches { #expect(cache.open(positions: 64)) }
        // a sequence of NaN was here
        let spoiled = Matrix([Float](repeating: .nan, count: 64 * 32), rows: 64, columns: 32)
        func store(_ cache: PagedKeyValues, at start: Int, _ range: Range<Int>, keys: Matrix, values: Matrix) {
            PagedKeyValues.store([.init(cache: cache, start: start, range: range)], keys: keys, values: values)
        }
        for cache in caches { store(cache, at: 0, 0..<64, keys: spoiled, values: spoiled) }
        caches[0].clear(from: 0)
        store(caches[0], at: 0, 0..<37, keys: test.keys, values: test.values)
        // and another went further than this one
        store(caches[0], at: 37, 0..<8, keys: spoiled[0..<8], values: spoiled[0..<8])
        caches[0].clear(from: 37)
        caches[2].copy(from: caches[0], positions: 37)
        let out = Matrix(rows: 60, columns: 64)
        for number in [0, 2] {
            for position in 37..<60 {
                let range = position..<position + 1
                store(caches[number], at: position, range, keys: test.keys, values: test.values)
                Attention.attend(
                    queries: test.queries, blocks: QueryBlock.causal(cache: number, start: position, range: range),
                    caches: caches, heads: 2, into: out)
            }
            #expect(bits(out[37..<60]) == Array(whole[(37 * 64)...]), "cache \(number)")
        }
    }

    @Test("a step in one call gives the bits of rotating, storing and attending", arguments: shapes, [1, 2])
    func step(shape: Shape, threads: Int) {
        for format in KeyValueFormat.allCases where shape.size % 2 == 0 { step(shape, threads, format) }
    }

    private func step(_ shape: Shape, _ threads: Int, _ format: KeyValueFormat) {
        let (heads, keyHeads, size) = (shape.heads, shape.keyHeads, shape.size)
        // rows of sequences at different positions, the last one at its first
        let positions = [shape.positions - 1, shape.positions / 2, 0]
        let rotary = values(shape.positions, size, seed: 5, .ordinary)
        let past = make(shape)
        func caches() -> [PagedKeyValues] {
            positions.map { position in
                let cache = PagedKeyValues(
                    positionsMax: shape.positions, heads: keyHeads, headSize: size, format: format)
                if position > 0 {
                    let span = PagedKeyValues.Span(cache: cache, start: 0, range: 0..<position)
                    PagedKeyValues.store([span], keys: past.keys, values: past.values)
                }
                return cache
            }
        }
        let before = Threads.count
        Threads.configure(threads)
        defer { Threads.configure(before) }
        let rows = positions.count
        func input() -> Matrix { values(rows, (heads + 2 * keyHeads) * size, seed: 4, .ordinary) }

        let (apart, expected, own) = (input(), Matrix(rows: rows, columns: heads * size), caches())
        apart.columns(0..<(heads + keyHeads) * size).rotate(
            heads: heads + keyHeads, table: rotary, positions: positions)
        let newKeys = apart.columns(heads * size..<(heads + keyHeads) * size)
        let newValues = apart.columns((heads + keyHeads) * size..<(heads + 2 * keyHeads) * size)
        for (row, position) in positions.enumerated() {
            PagedKeyValues.store(
                [.init(cache: own[row], start: position, range: row..<row + 1)], keys: newKeys, values: newValues)
            Attention.attend(
                queries: apart.columns(0..<heads * size),
                blocks: QueryBlock.causal(cache: row, start: position, range: row..<row + 1), caches: own,
                heads: heads, into: expected)
        }
        let (qkv, out) = (input(), Matrix(rows: rows, columns: heads * size))
        Attention.step(qkv: qkv, heads: heads, rotary: rotary, caches: caches(), positions: positions, into: out)
        #expect(bits(out) == bits(expected))
        #expect(bits(qkv) == bits(apart))
    }
}
