package import Foundation

/// Where tests find their data, relative to this file.
package enum Reference {
    package static let repository = URL(filePath: TestPaths.root)

    /// Data that the repository carries.
    package static func file(_ path: String) -> String { repository.appending(path: "Tests/" + path).path }

    /// Data that is too large or not ours to carry: beside the checkout, or where JANUS_REFERENCE says. nil when absent.
    package static func external(_ path: String) -> String? {
        let environment = ProcessInfo.processInfo.environment["JANUS_REFERENCE"]
        let places =
            environment.map { [URL(filePath: $0)] }
            ?? [repository, repository.deletingLastPathComponent()].map {
                $0.deletingLastPathComponent().appending(path: "shared/reference")
            }
        return places.map { $0.appending(path: path).path }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// The built executable of this name: it lies beside the test bundle.
    package static func executable(_ name: String) throws -> URL {
        for argument in ProcessInfo.processInfo.arguments {
            var directory = URL(filePath: argument).deletingLastPathComponent()
            while directory.path != "/" {
                let candidate = directory.appending(path: name)
                var isDirectory: ObjCBool = false
                let exists = unsafe FileManager.default.fileExists(atPath: candidate.path, isDirectory: &isDirectory)
                if exists, !isDirectory.boolValue { return candidate }
                directory.deleteLastPathComponent()
            }
        }
        for build in ["release", "debug"] {
            let candidate = repository.appending(path: ".build/\(build)/\(name)")
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
        }
        throw MissingExecutable(name: name)
    }

    package struct MissingExecutable: Error, CustomStringConvertible {
        package var name: String
        package var description: String { "\(name) is not built: run `swift build -c release` first" }
    }
}

/// A safetensors file of expected outputs, read whole.
package struct ExpectedTensors {
    private struct Entry: Decodable {
        var dtype: String
        var shape: [Int]
        var dataOffsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case dataOffsets = "data_offsets"
        }
    }

    /// The file's metadata; each value is JSON.
    package let metadata: [String: String]
    private let entries: [String: Entry]
    private let values: Data

    package init(path: String) throws {
        let bytes = try Data(contentsOf: URL(filePath: path))
        let headerBytes = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = bytes.dropFirst(8).prefix(headerBytes)
        struct Metadata: Decodable {
            var values: [String: String]
            enum CodingKeys: String, CodingKey { case values = "__metadata__" }
        }
        metadata = try JSONDecoder().decode(Metadata.self, from: header).values
        struct AnyEntry: Decodable {
            var entry: Entry?
            init(from decoder: any Decoder) throws { entry = try? Entry(from: decoder) }
        }
        entries = try JSONDecoder().decode([String: AnyEntry].self, from: header).compactMapValues(\.entry)
        values = Data(bytes.dropFirst(8 + headerBytes))
    }

    package func shape(_ name: String) throws -> [Int] { try entry(name).shape }

    package func bytes(_ name: String) throws -> [UInt8] {
        let entry = try entry(name)
        return Array(values[entry.dataOffsets[0]..<entry.dataOffsets[1]])
    }

    package func int32s(_ name: String) throws -> [Int32] {
        let bytes = try bytes(name)
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            Int32(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
        }
    }

    /// A metadata value that is a JSON string.
    package func text(_ key: String) throws -> String {
        try JSONDecoder().decode(String.self, from: Data((metadata[key] ?? "").utf8))
    }

    private func entry(_ name: String) throws -> Entry {
        guard let entry = entries[name] else { throw MissingTensor(name: name) }
        return entry
    }

    package struct MissingTensor: Error { package var name: String }
}
