import Foundation
import JanusTensor
import TestSupport
import Testing

@Suite("safetensors files")
struct SafetensorsTests {
    private func open(_ data: Data) throws -> SafetensorsFile {
        let directory = try TemporaryDirectory()
        return try SafetensorsFile(path: try directory.write("model.safetensors", data))
    }

    @Test("f32, f16 and bf16 are read as the same values")
    func types() throws {
        var writer = SafetensorsWriter()
        let values: [Float] = [0, -0.0, 1, -2.5, 0.15625, 65_504, .infinity, -.infinity]
        for type in ["F32", "F16", "BF16"] { writer.add(type, values, shape: [2, 4], type: type) }
        writer.tensors["BF16"]?.data = SafetensorsWriter.encoded(
            values.map { $0 == 65_504 ? 65_280 : $0 }, type: "BF16")
        writer.tensors["ids"] = .init(
            type: "I64", shape: [2], data: Data([7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 8)))
        writer.tensors["bytes"] = .init(type: "U8", shape: [3], data: Data([1, 2, 3]))
        writer.tensors["empty"] = .init(type: "F32", shape: [0, 5], data: Data())
        let file = try open(try writer.encoded())
        #expect(try file.floats("F32") == values)
        #expect(try file.floats("F16") == values)
        #expect(try file.floats("BF16") == values.map { $0 == 65_504 ? 65_280 : $0 })
        #expect(try file.integers("ids") == [7, -1])
        #expect(try file.bytes("bytes") == [1, 2, 3])
        #expect(try file.floats("empty").isEmpty)
        #expect(try file.entry("F16").shape == [2, 4])
        #expect(throws: TensorError.self) { try file.floats("ids") }
        #expect(throws: TensorError.self) { try file.integers("F32") }
        #expect(throws: TensorError.self) { try file.bytes("F32") }
        #expect(throws: TensorError.self) { try file.floats("absent") }
    }

    @Test("every f16 value, denormals and all, is exact")
    func allHalves() throws {
        var writer = SafetensorsWriter()
        let data = Data((0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
        writer.tensors["all"] = .init(type: "F16", shape: [65_536], data: data)
        let values = try open(try writer.encoded()).floats("all")
        #expect(values.count == 65_536)
        for (index, value) in values.enumerated() {
            let expected = Float(Float16(bitPattern: UInt16(index)))
            #expect(value == expected || (value.isNaN && expected.isNaN), "\(index)")
        }
    }

    /// What is wrong, the header, how many bytes follow it, and what is said.
    static let lies: [(String, String, Int, String)] = [
        (
            "unknown element type", #"{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}"#, 4,
            "unknown element type F31"
        ),
        (
            "shape and offsets disagree", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
            "4 bytes, but F32 [2] takes 8"
        ),
        (
            "shape overflows", #"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#, 4,
            "too large"
        ),
        (
            "a side beyond 64 bits", #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4,
            "not the JSON"
        ),
        ("negative side", #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "shape [-1]"),
        ("two negative sides", #"{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}"#, 4, "shape [-1, -1]"),
        ("fractional side", #"{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}"#, 4, "not the JSON"),
        (
            "offsets run backwards", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4,
            "data_offsets [4, 0]"
        ),
        ("negative offset", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "data_offsets [-4, 0]"),
        ("three offsets", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, 4, "data_offsets [0, 4, 4]"),
        ("ends beyond the file", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "ends at byte 8 of 4"),
        (
            "begins far beyond",
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}"#, 4,
            "ends at byte 9223372036854775807 of 4"
        ),
        ("hole before it", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "a leaves a hole"),
        ("bytes left over", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8, "4 bytes behind"),
        (
            "overlap",
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            8, "b overlaps"
        ),
        (
            "twice the same bytes",
            #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            4, "b overlaps"
        ),
        ("no dtype", #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "not the JSON"),
        (
            "too many sides", #"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}"#, 1,
            "shape [1, 1"
        ),
        ("not an object", "[1, 2]", 0, "not the JSON"),
        ("not JSON", "{\"a\": ", 0, "not the JSON"),
        ("nothing", "", 0, "not the JSON"),
        ("deeply nested", String(repeating: "[", count: 100_000), 0, "not the JSON"),
    ]

    @Test("a header that lies is refused, by the lie", arguments: lies)
    func lyingHeader(what: String, header: String, dataBytes: Int, says: String) {
        let error = #expect(throws: TensorError.self, "\(what)") {
            try open(SafetensorsWriter.file(header: Data(header.utf8), data: Data(count: dataBytes)))
        }
        #expect(error?.description.contains(says) == true, "\(what): \(String(describing: error))")
    }

    @Test("a header's length is not believed", arguments: [3, 1_000, 100_000_001, UInt64(Int64.max), UInt64.max])
    func lyingLength(length: UInt64) {
        #expect(throws: TensorError.self) {
            try open(SafetensorsWriter.file(header: Data("{}".utf8), length: length, data: Data()))
        }
    }

    @Test("a file cut short anywhere is refused")
    func truncated() throws {
        var writer = SafetensorsWriter()
        writer.add("a", [1, 2, 3], shape: [3])
        writer.add("b", [4], shape: [1])
        let whole = try writer.encoded()
        _ = try open(whole)
        for length in 0..<whole.count { #expect(throws: TensorError.self) { try open(whole.prefix(length)) } }
    }

    @Test("a missing file and a directory are errors that say so")
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: TensorError.self) { try SafetensorsFile(path: directory.path + "/absent") }
        #expect(throws: TensorError.self) { try SafetensorsFile(path: directory.path) }
    }
}
