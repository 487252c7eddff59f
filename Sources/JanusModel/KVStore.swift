import JanusTensor

/// How one row's keys and values lie in memory: as they were computed (f32), or rounded and in tiles (bf16).
/// New memory is zero and is touched only where it is used.
struct KVStore {
    /// Positions that there is room for.
    let positions: Int
    private let layers: [Layer]

    enum Layer {
        /// [positions, keyValueHeads · headSize]
        case full(keys: Matrix, values: Matrix)
        case tiled(TiledCache)
    }

    init(_ configuration: JanusConfiguration, positions: Int) {
        self.positions = positions
        let (heads, size) = (configuration.language.keyValueHeads, configuration.language.headSize)
        layers = (0..<configuration.language.layers).map { _ in
            switch configuration.keyValueFormat {
            case .f32:
                .full(
                    keys: Matrix(rows: positions, columns: heads * size),
                    values: Matrix(rows: positions, columns: heads * size))
            case .bf16: .tiled(TiledCache(positionsMax: positions, heads: heads, headSize: size))
            }
        }
    }

    /// What a row of so many positions takes.
    static func bytes(_ configuration: JanusConfiguration, positions: Int) -> Int {
        let (heads, size) = (configuration.language.keyValueHeads, configuration.language.headSize)
        return switch configuration.keyValueFormat {
        case .f32: positions * configuration.cacheBytesPerPosition
        case .bf16:
            configuration.language.layers * TiledCache.bytes(positions: positions, heads: heads, headSize: size)
        }
    }

    subscript(layer: Int) -> Layer { layers[layer] }

    /// The first positions of every layer.
    func copy(from other: KVStore, positions count: Int) {
        for (target, source) in zip(layers, other.layers) {
            switch (target, source) {
            case (.full(let keys, let values), .full(let otherKeys, let otherValues)):
                keys[0..<count].copy(from: otherKeys[0..<count])
                values[0..<count].copy(from: otherValues[0..<count])
            case (.tiled(let target), .tiled(let source)): target.copy(from: source, positions: count)
            case (.full, .tiled), (.tiled, .full): preconditionFailure("rows of one cache in two formats")
            }
        }
    }

    /// Forgets the positions from `length` on.
    func clear(from length: Int) {
        for layer in layers {
            switch layer {
            case .full: break
            case .tiled(let cache): cache.clear(from: length)
            }
        }
    }
}
