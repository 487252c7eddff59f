import Crypto
import Foundation
import JanusTensor

/// A directory that holds a checkpoint: found, mapped and measured, nothing converted yet.
struct CheckpointDirectory {
    let path: String
    let configuration: JanusConfiguration
    let checkpoint: SafetensorsCheckpoint
    let fingerprint: String

    init(_ path: String) throws(ModelError) {
        self.path = path
        let (file, bytes) = try ConfigurationFile.read(directory: path)
        let layout: CheckpointLayout
        switch file.modelType {
        case "janus": layout = .huggingFace
        case "multi_modality": layout = .original
        case let type:
            throw .notAModel(directory: path, reason: "config.json's model_type is \(type ?? "missing")")
        }
        try Self.requireWeights(path)
        do { checkpoint = try SafetensorsCheckpoint(directory: path) } catch { throw .weights(error) }
        configuration = try ConfigurationReader(
            path: path + "/" + ConfigurationFile.name, file: file, layout: layout, checkpoint: checkpoint
        ).read()
        fingerprint = Self.fingerprint(configuration: bytes, checkpoint)
    }

    private static func requireWeights(_ path: String) throws(ModelError) {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
        if exists(SafetensorsCheckpoint.singleName) || exists(SafetensorsCheckpoint.indexName) { return }
        for pickle in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where exists(pickle) {
            throw .pickleOnly(directory: path, file: pickle)
        }
        throw .notAModel(
            directory: path,
            reason: "it has neither \(SafetensorsCheckpoint.singleName) nor \(SafetensorsCheckpoint.indexName)")
    }

    /// Each part is preceded by its length, so that no two checkpoints run together to the same bytes.
    private static func fingerprint(configuration: Data, _ checkpoint: SafetensorsCheckpoint) -> String {
        var hash = SHA256()
        func add(_ bytes: some Collection<UInt8>) {
            hash.update(data: (0..<8).map { UInt8(truncatingIfNeeded: UInt64(bytes.count) >> (8 * $0)) })
            hash.update(data: Array(bytes))
        }
        add(configuration)
        for file in checkpoint.files {
            add(file.headerBytes)
            add(Array(String(file.bytes).utf8))
        }
        return hash.finalize().map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }

    func describe() -> ModelDescription {
        var parts: [ModelPart: ModelDescription.Part] = [:]
        var ignored = ModelDescription.Part(name: "not used", tensors: 0, parameters: 0, bytes: 0)
        for name in checkpoint.names {
            guard let entry = checkpoint.entry(name) else { continue }
            if let part = ModelPart(tensor: name), !configuration.layout.ignores(name) {
                parts[part, default: .init(name: part.rawValue, tensors: 0, parameters: 0, bytes: 0)].add(entry)
            } else {
                ignored.add(entry)
            }
        }
        let ordered = ModelPart.allCases.compactMap { parts[$0] }
        return ModelDescription(
            configuration: configuration, precision: "f32", fingerprint: fingerprint,
            files: checkpoint.files.map(\.path), parts: ordered,
            ignored: ignored,
            memoryBytes: ordered.reduce(0) { $0 + $1.parameters } * MemoryLayout<Float>.stride)
    }
}

extension ModelDescription.Part {
    mutating func add(_ entry: TensorEntry) {
        tensors += 1
        parameters += entry.count
        bytes += entry.bytes
    }
}
