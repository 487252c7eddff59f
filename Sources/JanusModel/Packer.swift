import Crypto
import Foundation
package import JanusJob
import JanusTensor

/// Makes a pack. The model's initialisers run twice: once to list the tensors, once to convert them one after the other,
/// so that memory holds one layer at a time.
package enum Packer {
    /// - Parameters:
    ///   - directory: the checkpoint.
    ///   - output: the pack's path; a file of that name is replaced when the new one is whole.
    ///   - progress: told the fraction that is written, from 0 to 1.
    /// - Throws: `ModelError`; then nothing of the pack is left.
    package static func pack(
        directory: String, precision: PackedPrecision, output: String, progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelError) {
        let source = try CheckpointDirectory(directory)
        let configuration = source.configuration
        let planning = PackPlan(source, precision)
        _ = try JanusModel(configuration, fingerprint: source.fingerprint, weights: planning, encodes: true)
        var carried: [(name: String, data: Data)] = []
        for name in PackFile.carriedFiles {
            let path = directory + "/" + name
            guard FileManager.default.fileExists(atPath: path) else { continue }
            do {
                carried.append((PackFile.tensorName(file: name), try Data(contentsOf: URL(filePath: path))))
            } catch {
                throw .weights(.unreadable(file: path, reason: error.localizedDescription))
            }
        }
        let tensors =
            planning.tensors + carried.map { PlannedTensor(name: $0.name, type: .u8, shape: [$0.data.count]) }
        let file: SafetensorsOutput
        do {
            file = try SafetensorsOutput(
                path: output, tensors: tensors, metadata: try metadata(source, precision))
        } catch let error as TensorError {
            throw .weights(error)
        } catch {
            throw .pack(file: output, reason: "its architecture cannot be written (\(error))")
        }
        let reader = WeightReader(source.checkpoint, layout: configuration.layout, progress: progress)
        // bf16 rounds each value by itself: nothing to spread
        let equalizer =
            precision == .bf16
            ? nil : Equalizer(planning.groups, WeightReader(source.checkpoint, layout: configuration.layout))
        let writing = PackWriter(reader, precision, equalizer, file)
        _ = try JanusModel(configuration, fingerprint: source.fingerprint, weights: writing, encodes: true)
        try reader.checkAllUsed()
        for (name, data) in carried {
            let failure: ModelError? = unsafe data.withUnsafeBytes { bytes in
                do throws(ModelError) { try unsafe writing.emit(name, bytes) } catch { return error }
                return nil
            }
            if let failure { throw failure }
        }
        do { try file.finish(metadata: ["content_sha256": writing.contentHash]) } catch { throw .weights(error) }
        progress(1)
    }

    private static func metadata(
        _ source: CheckpointDirectory, _ precision: PackedPrecision
    ) throws -> [String: String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return [
            "format": PackFile.format, "format_version": String(PackFile.formatVersion),
            "precision": precision.rawValue, "source": source.fingerprint,
            "architecture": String(decoding: try encoder.encode(source.configuration), as: UTF8.self),
            "content_sha256": String(repeating: "0", count: PackFile.hashDigits),
        ]
    }
}

/// Lists what a pack will hold.
final class PackPlan: ModelWeights {
    private let layout: CheckpointLayout
    private let checkpoint: any Checkpoint
    private let precision: PackedPrecision
    private(set) var tensors: [PlannedTensor] = []
    private(set) var groups = ChannelGroups()

    init(_ source: CheckpointDirectory, _ precision: PackedPrecision) {
        layout = source.configuration.layout
        checkpoint = source.checkpoint
        self.precision = precision
    }

    private func plan(_ name: String, _ type: ElementType, _ shape: [Int]) {
        tensors.append(PlannedTensor(name: name, type: type, shape: shape))
    }

    func has(_ name: String) -> Bool { checkpoint.entries[layout.name(name + ".weight")] != nil }

    func matrix(_ name: String, _ shape: [Int]) -> Matrix {
        plan(name, .f32, shape)
        return .placeholder(shape)
    }

    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) -> Matrix {
        if let group { groups.declare(norm: name, channels: count, makes: group) }
        return matrix(name, [count])
    }

    /// A pack holds everything.
    var unread: any ModelWeights { self }

    func positions(_ name: String, _ tokens: Int, _ width: Int) -> Matrix { matrix(name, [tokens, width]) }

    func embeddingRows(_ name: String, rows: Int, columns: Int) -> EmbeddingRows {
        plan(name, .bf16, [rows, columns])
        return EmbeddingRows(.placeholder([rows, columns]))
    }

    func packed(_ layer: LinearLayer) -> PackedMatrix? { nil }

    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) -> ImageTokenEmbeddings {
        ImageTokenEmbeddings(stored: embeddingRows(ImageTokenEmbeddings.name, rows: codebook, columns: hidden))
    }

    func linear(_ layer: LinearLayer) -> Linear {
        groups.declare(layer)
        let packed = layer.layout(precision)
        plan(PackedWeights.values(layer.name), packed.values.type, packed.values.shape)
        if let scales = packed.scales { plan(PackedWeights.scales(layer.name), scales.type, scales.shape) }
        if layer.hasBias { plan(layer.name + ".bias", .f32, [layer.outputs]) }
        return .placeholder(layer)
    }
}

/// Converts and writes what a pack holds.
private final class PackWriter: ModelWeights {
    private let reader: WeightReader
    private let precision: PackedPrecision
    private let equalizer: Equalizer?
    private let file: SafetensorsOutput
    private var hashes: [String: SHA256.Digest] = [:]

    init(
        _ reader: WeightReader, _ precision: PackedPrecision, _ equalizer: Equalizer?, _ file: SafetensorsOutput
    ) {
        self.reader = reader
        self.precision = precision
        self.equalizer = equalizer
        self.file = file
    }

    /// Over the tensors in the order of their names.
    var contentHash: String {
        var hash = SHA256()
        for (name, digest) in hashes.sorted(by: { $0.key < $1.key }) {
            hash.update(data: Array("\(name)\u{0}".utf8))
            hash.update(data: Array(digest))
        }
        return hash.finalize().hexadecimal
    }

    func emit(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(ModelError) {
        do { try unsafe file.write(name, bytes) } catch { throw .weights(error) }
        unsafe hashes[name] = SHA256.hash(data: bytes)
    }

    func has(_ name: String) -> Bool { reader.has(name) }

    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix {
        try emit(name, try reader.matrix(name, shape))
        return .placeholder(shape)
    }

    var unread: any ModelWeights { self }

    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) throws(ModelError) -> Matrix {
        let vector = try reader.vector(name, count)
        if let group { try equalizer?.apply(to: vector, of: group) }
        try emit(name, vector)
        return .placeholder([count])
    }

    func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix {
        try emit(name, try reader.positions(name, tokens, width))
        return .placeholder([tokens, width])
    }

    private func emit(_ name: String, _ matrix: Matrix) throws(ModelError) {
        try check(name, matrix)
        try unsafe matrix.withBytes { bytes throws(ModelError) in try unsafe emit(name, bytes) }
    }

    func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows {
        try emitRows(name, try reader.matrix(name, [rows, columns]))
    }

    private func check(_ name: String, _ matrix: Matrix) throws(ModelError) {
        guard matrix.isFinite else { throw .notFinite(name: name) }
    }

    private func emitRows(_ name: String, _ matrix: Matrix) throws(ModelError) -> EmbeddingRows {
        try check(name, matrix)
        try unsafe matrix.withHalfBytes { bytes throws(ModelError) in try unsafe emit(name, bytes) }
        return EmbeddingRows(.placeholder([matrix.rows, matrix.columns]))
    }

    func packed(_ layer: LinearLayer) -> PackedMatrix? { nil }

    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError) -> ImageTokenEmbeddings {
        let table = try reader.imageTokenEmbeddings(codebook: codebook, codeWidth: codeWidth, hidden: hidden)
        return ImageTokenEmbeddings(
            stored: try emitRows(ImageTokenEmbeddings.name, try table.all(codebook: codebook, hidden: hidden)))
    }

    func linear(_ layer: LinearLayer) throws(ModelError) -> Linear {
        let weights = try reader.weights(of: layer)
        try equalizer?.apply(to: layer, weights)
        let stored = layer.isPhased ? UpsamplingConvolution.kernels(of: weights) : weights
        guard let packed = PackedMatrix(stored, precision: layer.layout(precision).precision) else {
            throw .notFinite(name: layer.name)
        }
        try unsafe packed.withBytes { values, scales throws(ModelError) in
            try unsafe emit(PackedWeights.values(layer.name), values)
            if let scales = unsafe scales { try unsafe emit(PackedWeights.scales(layer.name), scales) }
        }
        if let bias = try reader.bias(of: layer) {
            try equalizer?.apply(toBiasOf: layer, bias)
            try emit(layer.name + ".bias", bias)
        }
        return .placeholder(layer)
    }
}
