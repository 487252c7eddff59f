import JanusModel
import JanusTensor

/// What the jobs of a batch share.
package final class BatchResources {
    /// Sequences that a pass steps at once: bounds its scratch memory.
    package static let rowsMax = 256
    /// Positions that a pass takes at most, of sequences and prompts.
    package static let passPositionsMax = max(rowsMax + PassPlan.positionsBesideSteps, PassPlan.positionsMax)

    let engine: EngineParts
    let cache: KVCache
    let prefixes: PrefixCache
    var betweenPasses = BetweenPasses()
    /// In the order in which they are to be done.
    var fills: [PromptFill] = []
    private var rowsOpen = 0

    /// Of a pass and of drawing.
    var scratch: StepScratch

    init(_ engine: EngineParts, cacheBytesMax: Int) throws(ModelError) {
        self.engine = engine
        cache = try KVCache(engine.configuration, bytesMax: cacheBytesMax)
        prefixes = PrefixCache(cache)
        scratch = StepScratch(engine.configuration, textsMax: engine.jobsMax)
        engine.model.reserve(rows: Self.passPositionsMax, positions: engine.contextTokensMax)
    }

    /// Whether `count` rows could be opened now; prefixes that nobody uses are given up for it.
    /// - Parameters:
    ///   - beside: prefixes that are to be opened as well where they are not there yet.
    func makeRoom(rows count: Int, positions: Int, beside keys: [PrefixKey] = []) -> Bool {
        guard rowsOpen + count <= Self.rowsMax else { return false }
        var bytes = count * cache.bytes(positions: positions)
        for key in keys where !prefixes.contains(key) { bytes += cache.bytes(positions: key.tokens.count) }
        return prefixes.makeRoom(bytes: bytes, keeping: keys)
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
            return PromptFill(row: row, embeddings: embeddings, picturesAwaited: picturesAwaited)
        }
        if isNew { fills.append(prefix.fill) }
        return (prefix, isNew)
    }
}

/// Memory of a step that every step uses again. Large memory is touched only where it is used.
struct StepScratch {
    /// [rows, hidden], into a pass and out of it.
    var embeddings: GrowingMatrix
    var passed: GrowingMatrix
    /// Of the sequences of one head: [rows, hidden], and [rows and one more for each sequence, tokens].
    var hidden: GrowingMatrix
    var logits: GrowingMatrix

    /// - Parameter textsMax: answers at once.
    init(_ configuration: JanusConfiguration, textsMax: Int) {
        let (rows, columns) = (BatchResources.rowsMax, configuration.hiddenSize)
        embeddings = GrowingMatrix(count: BatchResources.passPositionsMax * columns)
        passed = GrowingMatrix(count: BatchResources.passPositionsMax * columns)
        hidden = GrowingMatrix(count: rows * columns)
        // an image without guidance has one row
        logits = GrowingMatrix(
            count: 2
                * max(rows * configuration.codebookSize, min(textsMax, rows) * configuration.language.vocabularySize))
    }
}
