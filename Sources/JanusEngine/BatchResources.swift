import JanusModel
import JanusTensor

/// What the jobs of a batch share.
final class BatchResources {
    /// Sequences that a pass steps at once: bounds its scratch memory.
    static let rowsMax = 256

    let engine: EngineParts
    let cache: KVCache
    let prefixes: PrefixCache
    var side = SideWork()
    /// In the order in which they are to be done.
    var fills: [Fill] = []
    private var rowsOpen = 0

    /// Of a pass and of drawing: taken once, for as many rows as there ever were.
    var rooms = StepRooms()

    init(_ engine: EngineParts, cacheBytesMax: Int) throws(ModelError) {
        self.engine = engine
        cache = try KVCache(engine.configuration, bytesMax: cacheBytesMax)
        prefixes = PrefixCache(cache)
    }

    /// Whether `count` rows could be opened now; prefixes that nobody uses are given up for it.
    /// - Parameters:
    ///   - beside: prefixes that are to be opened as well where they are not there yet.
    func makeRoom(rows count: Int, positions: Int, beside keys: [PrefixKey] = []) -> Bool {
        guard rowsOpen + count <= Self.rowsMax else { return false }
        let missing = keys.filter { !prefixes.contains($0) }.reduce(0) { $0 + cache.bytes(positions: $1.tokens.count) }
        return prefixes.makeRoom(bytes: count * cache.bytes(positions: positions) + missing, keeping: keys)
    }

    /// Opens rows for which room was made.
    func openRows(_ count: Int, positions: Int) -> [Int] {
        let rows = (0..<count).compactMap { _ in cache.open(positions: positions) }
        precondition(rows.count == count, "no room was made")
        rowsOpen += count
        return rows
    }

    func closeRows(_ rows: [Int]) {
        for row in rows { cache.close(row) }
        rowsOpen -= rows.count
    }

    func usePrefix(_ key: PrefixKey, embeddings: Matrix, picturesAwaited: Int = 0) -> (prefix: Prefix, isNew: Bool) {
        var isNew = false
        let prefix = prefixes.use(key) { row in
            isNew = true
            return Fill(row: row, embeddings: embeddings, picturesAwaited: picturesAwaited)
        }
        if isNew { fills.append(prefix.fill) }
        return (prefix, isNew)
    }
}

/// Memory of a step that every step uses again.
struct StepRooms {
    /// [rows, hidden], into a pass and out of it.
    var embeddings = MatrixRoom()
    var passed = MatrixRoom()
    /// [rows, hidden] and [rows, tokens] of the lanes of one head.
    var hidden = MatrixRoom()
    var logits = MatrixRoom()
}
