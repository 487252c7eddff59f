package import Foundation

/// Makes safetensors files, sound or broken, for tests.
package struct SafetensorsWriter {
    package struct Tensor {
        package var type: String
        package var shape: [Int]
        package var data: Data

        package init(type: String, shape: [Int], data: Data) {
            self.type = type
            self.shape = shape
            self.data = data
        }
    }

    package var tensors: [String: Tensor] = [:]
    package var metadata = ["format": "pt"]

    package init() {}

    /// Reads a sound file.
    package init(path: String) throws {
        struct Entry: Decodable {
            var dtype: String
            var shape: [Int]
            var offsets: [Int]

            enum CodingKeys: String, CodingKey {
                case dtype, shape
                case offsets = "data_offsets"
            }
        }
        let data = try Data(contentsOf: URL(filePath: path))
        let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var header =
            try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any] ?? [:]
        metadata = header.removeValue(forKey: "__metadata__") as? [String: String] ?? [:]
        let entries = try JSONDecoder().decode(
            [String: Entry].self, from: JSONSerialization.data(withJSONObject: header))
        for (name, entry) in entries {
            let bytes = data[8 + length + entry.offsets[0]..<8 + length + entry.offsets[1]]
            tensors[name] = Tensor(type: entry.dtype, shape: entry.shape, data: Data(bytes))
        }
    }

    /// f32 values, stored as F32, F16 or BF16 (the last truncated).
    package mutating func add(_ name: String, _ values: [Float], shape: [Int], type: String = "F32") {
        tensors[name] = Tensor(type: type, shape: shape, data: Self.encoded(values, type: type))
    }

    package static func encoded(_ values: [Float], type: String) -> Data {
        var data = Data()
        for value in values {
            switch type {
            case "F16": data.append(littleEndian: Float16(value).bitPattern)
            case "BF16": data.append(littleEndian: UInt16(value.bitPattern >> 16))
            default: data.append(littleEndian: value.bitPattern)
            }
        }
        return data
    }

    package func encoded() throws -> Data {
        var header: [String: Any] = ["__metadata__": metadata]
        var data = Data()
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            header[name] = [
                "dtype": tensor.type, "shape": tensor.shape,
                "data_offsets": [data.count, data.count + tensor.data.count],
            ]
            data.append(tensor.data)
        }
        return Self.file(header: try JSONSerialization.data(withJSONObject: header, options: .sortedKeys), data: data)
    }

    package static func file(header: Data, length: UInt64? = nil, data: Data) -> Data {
        var file = Data()
        file.append(littleEndian: length ?? UInt64(header.count))
        return file + header + data
    }
}

extension Data {
    fileprivate mutating func append(littleEndian value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}

/// A directory of a test's own, removed with the value's last reference.
package final class TemporaryDirectory {
    package let url: URL
    package var path: String { url.path }

    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { do { try FileManager.default.removeItem(at: url) } catch { print("\(url.path) stays: \(error)") } }

    @discardableResult
    package func write(_ name: String, _ data: Data) throws -> String {
        let file = url.appending(path: name)
        try data.write(to: file)
        return file.path
    }
}
