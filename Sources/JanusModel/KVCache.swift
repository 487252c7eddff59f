import JanusTensor

/// Keys and values of several sequences ("rows"), every layer, allocated once. Memory is touched only where it is used.
///
/// Confined to the thread or actor that runs the model.
package final class KVCache {
    package let rows: Int
    /// Positions that each row has room for.
    package let positionsMax: Int
    /// Positions of each row that are filled.
    package private(set) var lengths: [Int]

    package init(_ configuration: JanusConfiguration, rows: Int, positionsMax: Int) {
        self.rows = rows
        self.positionsMax = positionsMax
        lengths = Array(repeating: 0, count: rows)
    }

    /// Makes `target` a copy of `source`: images of one prompt share its prefill this way.
    package func copyRow(_ source: Int, to target: Int) {
        preconditionFailure("not built yet")
    }

    /// Forgets what lies behind the first `length` positions of a row.
    package func truncate(row: Int, to length: Int) {
        preconditionFailure("not built yet")
    }
}
