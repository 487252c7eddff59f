import JanusJob
import JanusTensor
import Testing

@Suite("pages of keys and values")
struct KeyValuePagePoolTests {
    private static let (heads, size, layers) = (2, 32, 2)
    private let keys = random(200, heads * size, seed: 1)
    private let values = random(200, heads * size, seed: 2)
    private let queries = random(200, heads * size, seed: 3)
    private let spoiled = Matrix(
        [Float](repeating: .nan, count: 200 * heads * size), rows: 200, columns: heads * size)

    private func pages(_ count: Int, _ format: KeyValueFormat) throws -> KeyValuePagePool {
        let (heads, size, layers) = (Self.heads, Self.size, Self.layers)
        let bytes = KeyValuePagePool.bytes(
            positions: count * 64, layers: layers, heads: heads, headSize: size, format: format)
        let pages = try #require(
            KeyValuePagePool(bytesMax: bytes + 1, layers: layers, heads: heads, headSize: size, format: format))
        #expect(pages.pagesMax == count && pages.pagesUsed == 0)
        return pages
    }

    /// Another layer has other keys: a part of what the rows are, from another one on.
    private func rows(_ matrix: Matrix, _ layer: Int, _ range: Range<Int>) -> Matrix {
        matrix[(range.lowerBound + layer * 7) % 100..<(range.lowerBound + layer * 7) % 100 + range.count]
    }

    private func store(_ cache: PagedKeyValues, _ range: Range<Int>, of keys: Matrix? = nil) {
        for layer in 0..<Self.layers {
            PagedKeyValues.store(
                [.init(cache: cache, start: range.lowerBound, range: 0..<range.count)], layer: layer,
                keys: rows(keys ?? self.keys, layer, range), values: rows(keys ?? values, layer, range))
        }
    }

    /// What the position behind the first `seen` − 1 gives, in all layers.
    private func attend(_ cache: PagedKeyValues, seen: Int) -> [[UInt32]] {
        (0..<Self.layers).map { layer in
            let out = Matrix(rows: 1, columns: Self.heads * Self.size)
            Attention.attend(
                queries: queries[seen - 1..<seen],
                blocks: QueryBlock.causal(cache: 0, start: seen - 1, range: 0..<1), caches: [cache], layer: layer,
                heads: Self.heads, into: out)
            return bits(out)
        }
    }

    private func alone(_ count: Int, _ format: KeyValueFormat) throws -> [[UInt32]] {
        let cache = PagedKeyValues(try pages(2, format))
        #expect(cache.open(positions: 100))
        store(cache, 0..<count)
        return attend(cache, seen: count)
    }

    @Test(
        "a sequence whose pages lie anywhere and were another's before gives the same bits",
        arguments: KeyValueFormat.allCases)
    func scattered(format: KeyValueFormat) throws {
        let expected = try alone(100, format)
        let pages = try pages(6, format)
        let caches = (0..<6).map { _ in PagedKeyValues(pages) }
        for cache in caches {
            #expect(cache.open(positions: 64))
            store(cache, 0..<64, of: spoiled)
        }
        #expect(pages.pagesUsed == 6 && !PagedKeyValues(pages).open(positions: 1))
        // the second of its pages lies before the first
        for index in [1, 4] { caches[index].close() }
        #expect(pages.pagesUsed == 4)
        #expect(!caches[1].open(positions: 129), "three pages")
        #expect(caches[1].open(positions: 100) && pages.pagesUsed == 6)
        store(caches[1], 0..<37)
        store(caches[1], 37..<100)
        #expect(attend(caches[1], seen: 100) == expected)
    }

    @Test(
        "whole pages of a prefix are shared, and nobody who goes on changes another's",
        arguments: KeyValueFormat.allCases)
    func shared(format: KeyValueFormat) throws {
        let expected = try (alone(80, format), alone(100, format))
        let pages = try pages(8, format)
        let caches = (0..<3).map { _ in PagedKeyValues(pages) }
        for cache in caches { #expect(cache.open(positions: 120)) }
        store(caches[0], 0..<80)
        #expect(pages.pagesUsed == 6)
        for target in caches.dropFirst() { target.copy(from: caches[0], positions: 80) }
        #expect(pages.pagesUsed == 4 && caches.map(\.pagesAlone) == [1, 1, 1])
        // what storing and clearing insist on
        for cache in caches { #expect(cache.isOwn(from: 64) && !cache.isOwn(from: 63) && !cache.isOwn(from: 0)) }
        // all go on, two of them elsewhere than the third
        store(caches[0], 80..<100, of: spoiled)
        store(caches[1], 80..<100)
        store(caches[2], 80..<100, of: spoiled)
        #expect(attend(caches[1], seen: 100) == expected.1)
        // what was written behind a prefix can be forgotten, also on the way to its first positions
        caches[2].clear(from: 80)
        #expect(attend(caches[2], seen: 80) == expected.0)
        // the source's end changes nothing
        caches[0].close()
        #expect(pages.pagesUsed == 3 && attend(caches[1], seen: 100) == expected.1)
        caches[1].close()
        #expect(caches[2].pagesAlone == 2 && attend(caches[2], seen: 80) == expected.0)
        caches[2].close()
        #expect(pages.pagesUsed == 0)
    }

    @Test("memory that the system does not reserve is told, not a death")
    func unreserved() {
        #expect(KeyValuePagePool(bytesMax: .max, layers: 24, heads: 32, headSize: 512, format: .bf16) == nil)
    }
}
