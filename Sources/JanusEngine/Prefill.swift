import JanusJob
import JanusModel
import JanusTensor

/// How a prompt enters the cache.
extension Engine {
    /// Positions of one call of the model: bounds its scratch memory and the time between two progress reports.
    static let prefillChunkPositions = 256

    static func prefillChunks(_ positions: Int) -> Int {
        (positions + prefillChunkPositions - 1) / prefillChunkPositions
    }

    /// Runs a prompt's embeddings through the model into a row of the cache.
    /// - Returns: [1, hidden], the last position's.
    func prefill(
        _ embeddings: Matrix, row: Int, cache: KVCache, run: EngineRun, seconds: inout Double
    ) throws(Interruption) -> Matrix {
        var last = Matrix(rows: 0, columns: embeddings.columns)
        var start = 0
        while start < embeddings.rows {
            let end = min(start + Self.prefillChunkPositions, embeddings.rows)
            let hidden = try run.timed(&seconds) { () throws(ModelError) -> Matrix in
                try model.forward(
                    embeddings[start..<end], spans: [.init(row: row, positions: end - start)], cache: cache)
            }
            last = hidden[(hidden.rows - 1)..<hidden.rows]
            start = end
            try run.advance()
        }
        return last
    }

    /// - Parameter room: positions that the output may take.
    func checkContext(promptTokens: Int, pictures: Int, room: Int) throws(Interruption) {
        guard promptTokens + room > contextTokensMax else { return }
        let picturesPart =
            pictures == 0 ? "" : " (\(pictures * configuration.imageTokens) of them for \(pictures) pictures)"
        throw .failed(
            JobError(
                .promptTooLong,
                "the prompt has \(promptTokens) tokens\(picturesPart) and the output may take \(room); together they "
                    + "exceed the context of \(contextTokensMax)"))
    }
}
