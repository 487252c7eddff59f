import Foundation

/// All tensors of a checkpoint's directory: `model.safetensors`, or the files that `model.safetensors.index.json` names.
package final class SafetensorsCheckpoint: Checkpoint {
    private let shards: [SafetensorsFile]
    private let shardOfTensor: [String: Int]
    package let entries: [String: TensorEntry]

    package static let singleName = "model.safetensors"
    package static let indexName = "model.safetensors.index.json"
    private static let indexBytesMax = 64 << 20

    /// - Throws: `TensorError` when a file is missing, unsound, or the index and the files disagree.
    package init(directory: String) throws(TensorError) {
        let index = directory + "/" + Self.indexName
        if FileManager.default.fileExists(atPath: index) {
            let map = try Self.readIndex(index)
            let names = Set(map.values).sorted()
            shards = try names.map { name throws(TensorError) in try SafetensorsFile(path: directory + "/" + name) }
            let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
            shardOfTensor = try Self.assign(shards, index: index, expected: map.mapValues { numbers[$0] ?? 0 })
        } else {
            shards = [try SafetensorsFile(path: directory + "/" + Self.singleName)]
            shardOfTensor = shards[0].entries.mapValues { _ in 0 }
        }
        entries = shards.reduce(into: [:]) { all, shard in all.merge(shard.entries) { first, _ in first } }
    }

    package var files: [String] { shards.map(\.path) }
    package var identity: [[UInt8]] { shards.flatMap(\.identity) }

    /// As `SafetensorsFile.read`.
    package func read(_ name: String, into target: Matrix) throws(TensorError) {
        try shard(of: name).read(name, into: target)
    }

    package func mappedBytes(_ name: String) throws(TensorError) -> ByteStorage? {
        try shard(of: name).mappedBytes(name)
    }

    private func shard(of name: String) throws(TensorError) -> SafetensorsFile {
        guard let number = shardOfTensor[name] else {
            throw .noSuchTensor(file: files.joined(separator: ", "), tensor: name)
        }
        return shards[number]
    }

    private struct Index: Decodable {
        var weightMap: [String: String]

        enum CodingKeys: String, CodingKey {
            case weightMap = "weight_map"
        }
    }

    private static func readIndex(_ path: String) throws(TensorError) -> [String: String] {
        let map: [String: String]
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
            guard data.count <= indexBytesMax else { throw TensorProblem(reason: "\(data.count) bytes") }
            map = try JSONDecoder().decode(Index.self, from: data).weightMap
        } catch let error as TensorProblem {
            throw .malformed(file: path, reason: error.reason)
        } catch let error as DecodingError {
            throw .malformed(file: path, reason: "no weight_map of tensor names to file names (\(error))")
        } catch {
            throw .unreadable(file: path, reason: "\(error)")
        }
        guard !map.isEmpty else { throw .malformed(file: path, reason: "its weight_map is empty") }
        for name in map.values where name.contains("/") || name.hasPrefix(".") || name.isEmpty {
            throw .malformed(file: path, reason: "\"\(name)\" is no file name in the same directory")
        }
        return map
    }

    /// Every tensor of the index is in the file that the index says, and no file holds one that the index leaves out.
    private static func assign(
        _ files: [SafetensorsFile], index: String, expected: [String: Int]
    ) throws(TensorError) -> [String: Int] {
        for (name, number) in expected.sorted(by: { $0.key < $1.key }) where files[number].entries[name] == nil {
            throw .noSuchTensor(file: files[number].path, tensor: name)
        }
        for (number, file) in files.enumerated() {
            for name in file.entries.keys.sorted() where expected[name] != number {
                throw .malformed(file: file.path, reason: "tensor \(name) is not in \(index) for this file")
            }
        }
        return expected
    }
}
