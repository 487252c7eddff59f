import Crypto
package import Foundation
import JanusJob
import JanusTensor

/// A pack: one safetensors file with all weights of a model as the kernels read them, and with the small files that belong
/// to it. Its metadata say what it is:
///
///     format            "janus-pack"
///     format_version    layout of the tensors; another one is refused
///     precision         bf16, int8 or int4: of the language model (pictures are bf16 in all)
///     source            fingerprint of the checkpoint that it was made from
///     architecture      `JanusConfiguration` as JSON
///     content_sha256    over every tensor's name and SHA-256
struct PackFile {
    static let format = "janus-pack"
    static let formatVersion = 4
    /// How a pack in a directory is found.
    static let suffix = ".pack.safetensors"
    /// Small files of the checkpoint, carried along as bytes.
    static let carriedFiles = [
        "config.json", "tokenizer.json", "preprocessor_config.json", "generation_config.json",
    ]
    static func tensorName(file: String) -> String { "file/" + file }

    let file: SafetensorsFile
    let precision: PackedPrecision
    let source: String
    let configuration: JanusConfiguration
    /// SHA-256 of the header, which holds the hash of the content.
    let fingerprint: String

    init(path: String) throws(ModelError) {
        func refuse(_ reason: String) -> ModelError { .pack(file: path, reason: reason) }
        do { file = try SafetensorsFile(path: path) } catch { throw .weights(error) }
        let metadata = file.metadata
        guard metadata["format"] == Self.format else {
            throw refuse("it is no pack (its metadata do not say format \(Self.format))")
        }
        let version = metadata["format_version"] ?? "none"
        guard version == String(Self.formatVersion) else {
            throw refuse("it has format version \(version), this program reads \(Self.formatVersion)")
        }
        guard let precision = PackedPrecision(rawValue: metadata["precision"] ?? "") else {
            throw refuse("its precision is \(metadata["precision"] ?? "missing")")
        }
        guard let source = metadata["source"], metadata["content_sha256"]?.count == Self.hashDigits else {
            throw refuse("its source or content_sha256 is missing")
        }
        do {
            var configuration = try JSONDecoder().decode(
                JanusConfiguration.self, from: Data((metadata["architecture"] ?? "").utf8))
            configuration.keyValueFormat = precision.keyValueFormat
            self.configuration = configuration
        } catch {
            throw refuse("its architecture cannot be read (\(error))")
        }
        if let fault = configuration.fault {
            throw refuse("its architecture is none, in the part \(fault.part.rawValue): \(fault.reason)")
        }
        self.precision = precision
        self.source = source
        fingerprint = SHA256.hash(data: file.headerBytes).hexadecimal
    }

    static let hashDigits = 64

    /// A carried file; nil when the checkpoint had none of that name.
    func carried(_ name: String) throws(ModelError) -> Data? {
        let tensor = Self.tensorName(file: name)
        guard file.entries[tensor] != nil else { return nil }
        do { return Data(try file.bytes(tensor)) } catch { throw .weights(error) }
    }

    func describe() -> ModelDescription {
        var parts: [ModelPart: ModelDescription.Part] = [:]
        var other = ModelDescription.Part(name: "files", tensors: 0, parameters: 0, bytes: 0)
        for (name, entry) in file.entries {
            if let part = ModelPart(tensor: name) {
                parts[part, default: .init(name: part.rawValue, tensors: 0, parameters: 0, bytes: 0)].add(entry)
            } else {
                other.add(entry)
            }
        }
        return ModelDescription(
            configuration: configuration, precision: .packed(precision), fingerprint: fingerprint, files: [file.path],
            parts: ModelPart.allCases.compactMap { parts[$0] }, ignored: other, memoryBytes: file.bytes)
    }
}

/// What a path stands for.
package enum ModelLocation: Sendable, Equatable {
    case checkpoint(directory: String)
    case pack(file: String)

    /// A file is a pack; a directory with a config.json is a checkpoint; another one must hold exactly one
    /// `*.pack.safetensors`.
    package static func find(_ path: String) throws(ModelError) -> ModelLocation {
        var isDirectory: ObjCBool = false
        guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            return .checkpoint(directory: path)
        }
        guard isDirectory.boolValue else { return .pack(file: path) }
        if FileManager.default.fileExists(atPath: path + "/" + ConfigurationFile.name) {
            return .checkpoint(directory: path)
        }
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
            throw .notAModel(directory: path, reason: "it cannot be listed (\(error.localizedDescription))")
        }
        let packs = names.filter { $0.hasSuffix(PackFile.suffix) }.sorted()
        guard packs.count <= 1 else {
            throw .notAModel(directory: path, reason: "it holds several packs (\(packs.joined(separator: ", ")))")
        }
        return packs.first.map { .pack(file: path + "/" + $0) } ?? .checkpoint(directory: path)
    }

    /// What the model is called where nobody says otherwise: the directory's or pack's name without its ending.
    package var name: String {
        switch self {
        case .checkpoint(let directory): return URL(filePath: directory).lastPathComponent
        case .pack(let file):
            let name = URL(filePath: file).lastPathComponent
            return name.hasSuffix(PackFile.suffix)
                ? String(name.dropLast(PackFile.suffix.count))
                : URL(filePath: name).deletingPathExtension().relativePath
        }
    }

    package var path: String {
        switch self {
        case .checkpoint(let directory): directory
        case .pack(let file): file
        }
    }

    /// One of the small files beside the weights, or in the pack; nil when a pack has none of that name. Of a checkpoint,
    /// the caller reads it by its path.
    package func carriedFile(_ name: String) throws(ModelError) -> Data? {
        switch self {
        case .checkpoint: nil
        case .pack(let file): try PackFile(path: file).carried(name)
        }
    }
}
