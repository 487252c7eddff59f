import JanusTensor

/// How one row's keys and values lie in memory.
enum KVStore {
    /// In f32: as they were computed, in matrices of its own.
    case full(FullStore)
    /// Rounded and in tiles, in pages of the cache's one mapping.
    case paged(PagedKeyValues)
}

/// Of each layer [positions, keyValueHeads · headSize]. New memory is zero and is touched only where it is used.
struct FullStore {
    /// Positions that there is room for.
    let positions: Int
    let keys: [Matrix]
    let values: [Matrix]

    init(_ configuration: JanusConfiguration, positions: Int) {
        let language = configuration.language
        func matrices() -> [Matrix] {
            (0..<language.layers).map { _ in
                Matrix(rows: positions, columns: language.keyValueHeads * language.headSize)
            }
        }
        self.positions = positions
        (keys, values) = (matrices(), matrices())
    }

    /// The first positions of every layer.
    func copy(from other: FullStore, positions count: Int) {
        for (target, source) in zip(keys + values, other.keys + other.values) {
            target[0..<count].copy(from: source[0..<count])
        }
    }
}
