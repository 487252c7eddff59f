import JanusTensor

/// A prompt, or a part of one, on its way into a row of the cache, chunk after chunk.
final class PromptFill {
    /// The cache's row; its first position is the row's length when the first chunk goes in.
    let row: Int
    let positions: Int
    /// Positions that are in the cache.
    private(set) var done = 0
    /// [1, hidden], of the last position, once all are in.
    private(set) var last: Matrix?
    /// Pictures whose embeddings are not there yet.
    private(set) var picturesAwaited: Int
    /// Nobody waits for it any more.
    var isAbandoned = false
    /// Why it will never be whole: whoever waits for it fails.
    private(set) var failure: Interruption?
    /// [positions, hidden]; given up when all are in.
    private var embeddings: Matrix

    /// - Parameter embeddings: [positions, hidden]; those of the awaited pictures' positions come by `see`.
    init(row: Int, embeddings: Matrix, picturesAwaited: Int = 0) {
        self.row = row
        self.embeddings = embeddings
        self.picturesAwaited = picturesAwaited
        positions = embeddings.rows
    }

    /// Positions that could go in now.
    var ready: Int { picturesAwaited > 0 || isAbandoned ? 0 : positions - done }

    /// - Parameter picture: [n, hidden], for these positions.
    func see(_ picture: Matrix, at range: Range<Int>) {
        embeddings[range].copy(from: picture)
        picturesAwaited -= 1
    }

    /// A picture's embeddings will never come.
    func fail(_ interruption: Interruption) { failure = interruption }

    func next(_ count: Int) -> Matrix { embeddings[done..<done + count] }

    /// - Parameter hidden: [n, hidden], what came out for the next n positions.
    func receive(_ hidden: Matrix) {
        done += hidden.rows
        guard done == positions else { return }
        let last = Matrix(rows: 1, columns: hidden.columns)
        last.copy(from: hidden[hidden.rows - 1..<hidden.rows])
        self.last = last
        embeddings = Matrix(rows: 0, columns: hidden.columns)
    }
}
