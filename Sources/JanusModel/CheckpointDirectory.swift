import Crypto
import Foundation
import JanusJob
import JanusTensor

/// A directory that holds a checkpoint: found, mapped and measured, nothing converted yet.
struct CheckpointDirectory {
    let path: String
    let configuration: JanusConfiguration
    let checkpoint: any Checkpoint
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
        checkpoint = try Self.open(path)
        configuration = try ConfigurationReader(
            path: path + "/" + ConfigurationFile.name, file: file, layout: layout, checkpoint: checkpoint
        ).read()
        fingerprint = Self.fingerprint(configuration: bytes, checkpoint)
    }

    /// The weights in whatever format the directory has them: another one is a `Checkpoint` and a case here.
    private static func open(_ path: String) throws(ModelError) -> any Checkpoint {
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
        if exists(SafetensorsCheckpoint.singleName) || exists(SafetensorsCheckpoint.indexName) {
            do { return try SafetensorsCheckpoint(directory: path) } catch { throw .weights(error) }
        }
        for pickle in ["pytorch_model.bin", "pytorch_model.bin.index.json"] where exists(pickle) {
            throw .pickleOnly(directory: path, file: pickle)
        }
        throw .notAModel(
            directory: path,
            reason: "it has neither \(SafetensorsCheckpoint.singleName) nor \(SafetensorsCheckpoint.indexName)")
    }

    /// Each part is preceded by its length, so that no two checkpoints run together to the same bytes.
    private static func fingerprint(configuration: Data, _ checkpoint: any Checkpoint) -> String {
        var hash = SHA256()
        func add(_ bytes: some Collection<UInt8>) {
            hash.update(data: (0..<8).map { UInt8(truncatingIfNeeded: UInt64(bytes.count) >> (8 * $0)) })
            hash.update(data: Array(bytes))
        }
        add(configuration)
        for part in checkpoint.identity { add(part) }
        return hash.finalize().hexadecimal
    }

    func describe() -> ModelDescription {
        var parts: [ModelPart: ModelDescription.Part] = [:]
        var ignored = ModelDescription.Part(name: "not used", tensors: 0, parameters: 0, bytes: 0)
        var unread = 0
        for (name, entry) in checkpoint.entries {
            if configuration.layout.isOfImageEncoder(name) { unread += entry.count }
            if let part = ModelPart(tensor: name), !configuration.layout.ignores(name) {
                parts[part, default: .init(name: part.rawValue, tensors: 0, parameters: 0, bytes: 0)].add(entry)
            } else {
                ignored.add(entry)
            }
        }
        let ordered = ModelPart.allCases.compactMap { parts[$0] }
        return ModelDescription(
            configuration: configuration, precision: .f32, fingerprint: fingerprint,
            files: checkpoint.files, parts: ordered,
            ignored: ignored,
            memoryBytes: (ordered.reduce(0) { $0 + $1.parameters } - unread) * MemoryLayout<Float>.stride)
    }
}

extension ModelDescription.Part {
    mutating func add(_ entry: TensorEntry) {
        tensors += 1
        parameters += entry.count
        bytes += entry.bytes
    }
}
