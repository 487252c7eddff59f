import JanusJob
import JanusTensor

/// A pack's weights, mapped: nothing is converted or copied, and all processes share one copy.
final class PackedWeights: ModelWeights {
    private let checkpoint: any Checkpoint
    private let precision: PackedPrecision
    private var used: Set<String> = []

    init(_ pack: PackFile) {
        checkpoint = pack.file
        precision = pack.precision
    }

    static func values(_ name: String) -> String { name + ".packed" }
    static func scales(_ name: String) -> String { name + ".scales" }

    func has(_ name: String) -> Bool {
        checkpoint.entries[Self.values(name)] != nil || checkpoint.entries[name + ".weight"] != nil
    }

    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix {
        try take(name) { () throws(TensorError) in try checkpoint.mapped(name, shape: shape) }
    }

    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) throws(ModelError) -> Matrix {
        try matrix(name, [count])
    }

    /// Themselves: what is mapped is read only where it is used.
    var unread: any ModelWeights { self }

    func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix {
        try matrix(name, [tokens, width])
    }

    func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows {
        try take(name) { () throws(TensorError) in
            try checkpoint.mappedRows(name, rows: rows, columns: columns)
        }
    }

    func linear(_ layer: LinearLayer) throws(ModelError) -> Linear {
        Linear(
            packed: try mapped(layer),
            bias: layer.hasBias ? try vector(layer.name + ".bias", layer.outputs, makes: nil) : nil)
    }

    func packed(_ layer: LinearLayer) throws(ModelError) -> PackedMatrix? { try mapped(layer) }

    private func mapped(_ layer: LinearLayer) throws(ModelError) -> PackedMatrix {
        let layout = layer.layout(precision)
        let values = Self.values(layer.name)
        let scales = Self.scales(layer.name)
        let packed = try take(values) { () throws(TensorError) in
            try checkpoint.mappedWeights(values: values, scales: scales, layout: layout)
        }
        used.insert(scales)
        return packed
    }

    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError) -> ImageTokenEmbeddings {
        ImageTokenEmbeddings(stored: try embeddingRows(ImageTokenEmbeddings.name, rows: codebook, columns: hidden))
    }

    private func take<Value>(
        _ name: String, _ read: () throws(TensorError) -> Value
    ) throws(ModelError) -> Value {
        used.insert(name)
        do throws(TensorError) { return try read() } catch { throw .weights(error) }
    }

    /// - Throws: when the pack holds anything that nobody asked for.
    func finish() throws(ModelError) {
        let extra = checkpoint.names.filter { !used.contains($0) && !$0.hasPrefix("file/") }
        guard extra.isEmpty else { throw .extraTensors(names: extra) }
    }
}

extension LinearLayer {
    /// How a pack of this precision stores the layer.
    func layout(_ precision: PackedPrecision) -> PackedLayout {
        let own: PackedPrecision =
            switch role {
            case .language: precision
            case .head, .vision: precision == .int4 ? .int8 : precision
            case .picture: .bf16
            }
        return isPhased
            ? UpsamplingConvolution.layout(outputs: outputs, inputs: sides[0])
            : PackedLayout(precision: own, outputs: outputs, inputs: inputs)
    }
}
