import Foundation
import JanusModel
import JanusTensor
import TestSupport
import Testing

/// Tensors in memory: a checkpoint that is no safetensors file, and that remembers what was read.
private final class MemoryCheckpoint: Checkpoint {
    let files = ["memory"]
    private(set) var entries: [String: TensorEntry] = [:]
    private var values: [String: [Float]] = [:]
    private(set) var namesRead: Set<String> = []
    var identity: [[UInt8]] { names.map { Array($0.utf8) } }

    init() {}

    init(copyOf other: any Checkpoint) throws {
        for (name, entry) in other.entries {
            let matrix = Matrix(rows: 1, columns: entry.count)
            try other.read(name, into: matrix)
            add(name, entry.shape, matrix.array())
        }
    }

    func add(_ name: String, _ shape: [Int], _ numbers: [Float]) {
        entries[name] = TensorEntry(type: .f32, shape: shape)
        values[name] = numbers
    }

    func remove(_ name: String) { entries[name] = nil }

    func read(_ name: String, into target: Matrix) throws(TensorError) {
        guard let numbers = values[name] else { throw .noSuchTensor(file: files[0], tensor: name) }
        namesRead.insert(name)
        target.copy(from: Matrix(numbers, rows: target.rows, columns: target.columns))
    }

    func mappedBytes(_ name: String) throws(TensorError) -> ByteStorage? { nil }
}

@Suite("weights come from any reader")
struct ReaderTests {
    private let configuration: JanusConfiguration

    init() throws { configuration = try JanusModel.describe(ModelLocation.find(TinyReference.model)).configuration }

    private func memory() throws -> MemoryCheckpoint {
        try MemoryCheckpoint(copyOf: try SafetensorsCheckpoint(directory: TinyReference.model))
    }

    @Test("a reader of another format gives the same model")
    func other() throws {
        let tokens: [Int32] = [1, 2, 3]
        func logits(_ model: JanusModel) throws -> [Float] {
            let cache = try KVCache(model.configuration, rows: 1, positionsMax: 4)
            let embeddings = try model.embed(tokens: tokens)
            return model.textLogits(try model.forward(embeddings, spans: [.init(row: 0, positions: 3)], cache: cache))
                .array()
        }
        let model = try JanusModel.load(configuration, from: try memory(), fingerprint: "memory")
        #expect(try logits(model) == logits(try JanusModel.load(directory: TinyReference.model)))
    }

    @Test("what only encodes images is checked always, and read only where it will be used")
    func encoder() throws {
        func isOfEncoder(_ name: String) -> Bool {
            name.hasPrefix("model.vqmodel.encoder.") || name.hasPrefix("model.vqmodel.quant_conv.")
        }
        let checkpoint = try memory()
        _ = try JanusModel.load(configuration, from: checkpoint, fingerprint: "memory")
        #expect(checkpoint.namesRead == Set(checkpoint.names.filter { !isOfEncoder($0) }))
        _ = try JanusModel.load(configuration, from: checkpoint, fingerprint: "memory", encodes: true)
        #expect(checkpoint.namesRead == Set(checkpoint.names))
        for name in checkpoint.names where isOfEncoder(name) {
            let spoiled = try memory()
            spoiled.add(name, [1], [0])
            #expect(throws: ModelError.self, "\(name) of another shape") {
                try JanusModel.load(configuration, from: spoiled, fingerprint: "memory")
            }
            spoiled.remove(name)
            #expect(throws: ModelError.missingTensor(name: name)) {
                try JanusModel.load(configuration, from: spoiled, fingerprint: "memory")
            }
        }
    }

    // MARK: scaling

    /// Deterministic numbers of very different sizes, a column's all alike.
    private func numbers(_ rows: Int, _ columns: Int, seed: Int) -> [Float] {
        (0..<rows * columns).map { index in
            let column = index % columns
            return Float((index * 37 + seed * 11) % 19 - 9) * (column % 3 == seed % 3 ? 8 : 1) + 0.5
        }
    }

    @Test("channels are scaled by what the layers declare, whatever they are called, and the function stays")
    func scaling() throws {
        let (width, inner) = (6, 4)
        let (input, product) = (ChannelGroup("input"), ChannelGroup("product"))
        let maker = LinearLayer(
            "fused", parts: [("one", inner), ("other", inner)], inputs: width, role: .language,
            scaling: ChannelScaling(reads: input, makes: product, isGated: true))
        let reader = LinearLayer(
            "renamed", outputs: 3, inputs: inner, hasBias: false, role: .head, scaling: ChannelScaling(reads: product))
        let bystander = LinearLayer("alone", outputs: 2, inputs: width, hasBias: false, role: .head, scaling: .fixed)
        var groups = ChannelGroups()
        groups.declare(norm: "any name", channels: width, makes: input)
        groups.declare(maker)
        groups.declare(reader)
        groups.declare(bystander)
        #expect(groups.fault == nil)

        let checkpoint = MemoryCheckpoint()
        checkpoint.add("any name", [width], numbers(1, width, seed: 1))
        checkpoint.add("one.weight", [inner, width], numbers(inner, width, seed: 2))
        checkpoint.add("other.weight", [inner, width], numbers(inner, width, seed: 3))
        checkpoint.add("renamed.weight", [3, inner], numbers(3, inner, seed: 4))
        checkpoint.add("alone.weight", [2, width], numbers(2, width, seed: 5))
        let weights = WeightReader(checkpoint, layout: .huggingFace)
        func all() throws -> (norm: Matrix, maker: Matrix, reader: Matrix, bystander: Matrix) {
            (
                try weights.vector("any name", width), try weights.weights(of: maker), try weights.weights(of: reader),
                try weights.weights(of: bystander)
            )
        }
        let before = try all()
        let after = try all()
        let equalizer = Equalizer(groups, weights)
        try equalizer.apply(to: after.norm, of: input)
        try equalizer.apply(to: maker, after.maker)
        try equalizer.apply(to: reader, after.reader)
        try equalizer.apply(to: bystander, after.bystander)

        /// out = reader · (gate ∘ up)(norm)
        func output(_ all: (norm: Matrix, maker: Matrix, reader: Matrix, bystander: Matrix)) -> [Double] {
            let made = (0..<2 * inner).map { row in
                (0..<width).reduce(0.0) { $0 + Double(all.norm[0, $1]) * Double(all.maker[row, $1]) }
            }
            return (0..<3).map { row in
                (0..<inner).reduce(0.0) { $0 + made[$1] * made[inner + $1] * Double(all.reader[row, $1]) }
            }
        }
        for (a, b) in zip(output(before), output(after)) { #expect(abs(a - b) <= 1e-5 * max(abs(a), abs(b))) }
        #expect(after.norm.array() != before.norm.array() && after.reader.array() != before.reader.array())
        #expect(after.bystander.array() == before.bystander.array(), "what declares nothing stays")
        // only the last part's rows carry the product's factors: the gate goes through an activation
        for row in 0..<inner {
            let gate = (0..<width).map { Double(after.maker[row, $0]) * Double(after.norm[0, $0]) }
            let own = (0..<width).map { Double(before.maker[row, $0]) * Double(before.norm[0, $0]) }
            for (a, b) in zip(gate, own) { #expect(abs(a - b) <= 1e-5 * abs(b)) }
        }
    }

    @Test("a group with only one side is a fault of the model's code, by name")
    func oneSided() {
        let group = ChannelGroup("lonely")
        var read = ChannelGroups()
        read.declare(
            LinearLayer("reader", outputs: 1, inputs: 1, role: .head, scaling: ChannelScaling(reads: group)))
        #expect(read.fault == "nothing makes the channels of lonely")
        var made = ChannelGroups()
        made.declare(norm: "norm", channels: 1, makes: group)
        #expect(made.fault == "nothing reads the channels of lonely")
    }

    @Test("every declared channel can be scaled by a power of two in the whole model: the same bits")
    func wholeModel() throws {
        let folder = try TemporaryDirectory()
        try OutlierCopy.make(of: TinyReference.model, into: folder.path, factor: 64, every: 4)
        let models = [
            try JanusModel.load(directory: TinyReference.model), try JanusModel.load(directory: folder.path),
        ]
        let side = configuration.imageSize
        let pixels = (0..<side * side * 3).map { Float($0 % 255) / 127.5 - 1 }
        let results = try models.map { model in
            let cache = try KVCache(model.configuration, rows: 1, positionsMax: 64)
            let picture = try model.imageEmbeddings(pixels: pixels)
            let hidden = try model.forward(picture, spans: [.init(row: 0, positions: picture.rows)], cache: cache)
            return [picture.array(), model.textLogits(hidden).array(), model.imageLogits(hidden).array()]
        }
        #expect(results[0] == results[1])
        #expect(results[0].allSatisfy { $0.allSatisfy(\.isFinite) })
    }
}
