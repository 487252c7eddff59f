import JanusJob
import JanusModel
import JanusTensor
import TestSupport
import Testing

@Suite("the KV cache")
struct CacheTests {
    private let tokens: [Int32] = (0..<40).map { Int32($0 * 13 % 600) }

    @Test("chunks, single steps and one pass give the same hidden states")
    func incremental() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        let whole = try KVCache(model.configuration, rows: 1, positionsMax: 40)
        let embeddings = try model.embed(tokens: tokens)
        let expected = try model.forward(embeddings, spans: [.init(row: 0, positions: 40)], cache: whole).array()

        let parts = try KVCache(model.configuration, rows: 3, positionsMax: 50)
        var found: [Float] = []
        var start = 0
        for count in [1, 17, 5, 1, 1, 1, 14] {
            let part = embeddings[start..<start + count]
            found += try model.forward(part, spans: [.init(row: 2, positions: count)], cache: parts).array()
            start += count
        }
        #expect(parts.lengths == [0, 0, 40])
        #expect(relativeError(found, expected) < 1e-5)
    }

    @Test("a copied row goes on as its source would, and each row alone as in a batch")
    func copied() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        let cache = try KVCache(model.configuration, rows: 6, positionsMax: 32)
        _ = try model.forward(
            try model.embed(tokens: Array(tokens[0..<20])), spans: [.init(row: 1, positions: 20)], cache: cache)
        for row in [0, 2, 3, 4, 5] { cache.copyRow(1, to: row) }
        let next = try model.embed(tokens: [7, 8, 9])
        let together = try model.forward(
            next, spans: [.init(row: 0), .init(row: 1), .init(row: 2)], cache: cache)
        #expect(cache.lengths == [21, 21, 21, 20, 20, 20])
        for row in 0..<3 {
            let alone = try model.forward(next[row..<row + 1], spans: [.init(row: row + 3)], cache: cache)
            #expect(relativeError(alone.array(), together.row(row)) < 1e-5)
        }
        // rows of different tokens differ: nobody reads another's cache
        #expect(relativeError(together.row(0), together.row(1)) > 1e-3)
    }

    @Test("spans of several rows and lengths run in one pass")
    func mixed() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        let cache = try KVCache(model.configuration, rows: 2, positionsMax: 32)
        let embeddings = try model.embed(tokens: tokens)
        let both = try model.forward(
            embeddings[0..<12], spans: [.init(row: 1, positions: 9), .init(row: 0, positions: 3)], cache: cache)
        let alone = try KVCache(model.configuration, rows: 1, positionsMax: 32)
        let second = try model.forward(embeddings[9..<12], spans: [.init(row: 0, positions: 3)], cache: alone)
        #expect(relativeError(both[9..<12].array(), second.array()) < 1e-5)
    }

    @Test("an interrupted pass throws and leaves the lengths as they were")
    func interrupted() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: 40)
        let embeddings = try model.embed(tokens: tokens)
        model.interrupt = { true }
        #expect(throws: ModelError.interrupted) {
            try model.forward(embeddings, spans: [.init(row: 0, positions: 40)], cache: cache)
        }
        #expect(cache.lengths == [0])
        let side = model.configuration.imageSize
        #expect(throws: ModelError.interrupted) {
            try model.visionFeatures(pixels: [Float](repeating: 0, count: side * side * 3))
        }
        #expect(throws: ModelError.interrupted) {
            try model.decodeImage(tokens: [Int32](repeating: 0, count: model.configuration.generationTokens))
        }
    }

    @Test("ids without an embedding are an error that names the table")
    func outOfRange() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        for id: Int32 in [-1, 640, .max] {
            #expect(throws: ModelError.tokenOutOfRange(id: Int(id), count: 640, table: "vocabulary")) {
                try model.embed(tokens: [1, id])
            }
        }
        #expect(throws: ModelError.self) { try model.embed(imageTokens: [128]) }
        let tokens = [Int32](repeating: 128, count: model.configuration.generationTokens)
        #expect(throws: ModelError.self) { try model.decodeImage(tokens: tokens) }
    }
}

@Suite("the KV cache's rows and budget")
struct CacheBudgetTests {
    @Test("rows are opened within the budget only, and a closed row's bytes and number are free again")
    func budget() throws {
        let configuration = try JanusModel.load(directory: TinyReference.model).configuration
        let one = configuration.cacheBytes(positions: 10)
        let cache = try KVCache(configuration, bytesMax: 3 * one)
        let rows = (0..<4).map { _ in cache.open(positions: 10) }
        #expect(rows == [0, 1, 2, nil])
        #expect(cache.bytesUsed == 3 * one && cache.bytesFree == 0)
        cache.close(1)
        #expect(cache.open(positions: 11) == nil)
        #expect(cache.open(positions: 4) == 1 && cache.capacity(of: 1) == 4)
        cache.close(0)
        cache.close(1)
        cache.close(2)
        #expect(cache.bytesUsed == 0)
    }

    @Test("a prefix copied into a longer row goes on as the whole would, also after its source was closed")
    func prefix() throws {
        let model = try JanusModel.load(directory: TinyReference.model)
        let tokens: [Int32] = (0..<24).map { $0 * 17 % 600 }
        let embeddings = try model.embed(tokens: tokens)
        let whole = try KVCache(model.configuration, rows: 1, positionsMax: 24)
        let expected = try model.forward(embeddings, spans: [.init(row: 0, positions: 24)], cache: whole)

        let cache = try KVCache(model.configuration, bytesMax: 1 << 20)
        let source = try #require(cache.open(positions: 20))
        let target = try #require(cache.open(positions: 24))
        _ = try model.forward(embeddings[0..<16], spans: [.init(row: source, positions: 16)], cache: cache)
        cache.copyRow(source, to: target)
        #expect(cache.lengths[target] == 16)
        cache.close(source)
        let rest = try model.forward(embeddings[16..<24], spans: [.init(row: target, positions: 8)], cache: cache)
        #expect(relativeError(rest.array(), expected[16..<24].array()) < 1e-5)
    }

    @Test(
        "in tiles rows share the whole pages of a prefix, and each goes on as it would alone",
        arguments: KeyValueFormat.allCases)
    func pages(format: KeyValueFormat) throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/tiny.pack.safetensors"
        try Packer.pack(directory: TinyReference.model, precision: .int8, output: path)
        let model = try JanusModel.load(directory: path)
        let configuration = model.configuration.keeping(format)
        let tokens: [Int32] = (0..<200).map { $0 * 17 % 600 }
        let embeddings = try model.embed(tokens: tokens)
        func alone(_ ranges: [Range<Int>]) throws -> [Float] {
            let cache = try KVCache(configuration, rows: 1, positionsMax: 200)
            var found = Matrix(rows: 0, columns: 64)
            for range in ranges {
                found = try model.forward(
                    embeddings[range], spans: [.init(row: 0, positions: range.count)], cache: cache)
            }
            return found.array()
        }
        // a page is 64 positions: a prefix of 140 has two whole ones
        let page = configuration.cacheBytes(positions: 1)
        #expect(configuration.cacheBytes(positions: 64) == page)
        let cache = try KVCache(configuration, bytesMax: 12 * page + page / 2)
        let rows = try (0..<3).map { _ in try #require(cache.open(positions: 200)) }
        #expect(cache.bytesFree == 0 && cache.open(positions: 1) == nil)
        _ = try model.forward(embeddings[0..<140], spans: [.init(row: rows[0], positions: 140)], cache: cache)
        for row in rows.dropFirst() { cache.copyRow(rows[0], to: row) }
        #expect(cache.bytesFree == 4 * page && cache.bytesAlone(rows[0]) == 2 * page)
        for (row, start) in zip(rows, [140, 150, 160]) {
            let found = try model.forward(
                embeddings[start..<start + 40], spans: [.init(row: row, positions: 40)], cache: cache)
            #expect(try found.array() == alone([0..<140, start..<start + 40]))
        }
        cache.close(rows[0])
        #expect(cache.bytesFree == 6 * page)
        let next = try model.forward(
            embeddings[190..<192], spans: [.init(row: rows[1]), .init(row: rows[2])], cache: cache)
        #expect(try next.row(0) == alone([0..<140, 150..<190, 190..<191]))
        #expect(try next.row(1) == alone([0..<140, 160..<200, 191..<192]))
        for row in rows.dropFirst() { cache.close(row) }
        #expect(cache.bytesUsed == 0)
    }

    @Test("a budget that the system does not reserve is an error that says so")
    func unreserved() throws {
        var configuration = try JanusModel.load(directory: TinyReference.model).configuration
        configuration.keyValueFormat = .bf16
        configuration.language.headSize = 512
        configuration.language.layers = 1000
        #expect(throws: ModelError.cacheMemory(bytes: .max)) { try KVCache(configuration, bytesMax: .max) }
    }
}
