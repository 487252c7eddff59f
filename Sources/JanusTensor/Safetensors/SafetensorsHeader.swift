import Foundation

/// The header of a safetensors file: 8 bytes of length (little-endian), then JSON. What it says is believed only when it
/// agrees with itself and with the size of the file: the tensors fill the rest of it without holes and overlaps.
struct SafetensorsHeader {
    let entries: [String: TensorEntry]
    /// Of each tensor its bytes of the file.
    let ranges: [String: Range<Int>]
    let metadata: [String: String]

    /// What the reference implementation allows.
    static let bytesMax = 100_000_000
    static let dimensionsMax = 8
    private static let lengthBytes = 8

    init(file: String, bytes: UnsafeRawBufferPointer) throws(TensorError) {
        func malformed(_ reason: String) -> TensorError { .malformed(file: file, reason: reason) }
        guard bytes.count >= Self.lengthBytes else {
            throw malformed("\(bytes.count) bytes are too few for a header")
        }
        let length = unsafe UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(Self.bytesMax) else {
            throw malformed("a header of \(length) bytes (at most \(Self.bytesMax))")
        }
        let start = Self.lengthBytes + Int(length)
        guard start <= bytes.count else {
            throw malformed("the header of \(length) bytes runs beyond the file's \(bytes.count): it is cut short")
        }
        let json: RawHeader
        do {
            json = try JSONDecoder().decode(
                RawHeader.self, from: unsafe Data(bytes[Self.lengthBytes..<start]))
        } catch let error as TensorProblem {
            throw malformed(error.reason)
        } catch {
            throw malformed("its header is not the JSON that it should be (\(error))")
        }
        metadata = json.metadata
        var entries: [String: TensorEntry] = [:]
        var ranges: [String: Range<Int>] = [:]
        for (name, raw) in json.tensors {
            do {
                let (entry, range) = try raw.entry(dataStart: start, dataBytes: bytes.count - start)
                entries[name] = entry
                ranges[name] = range
            } catch {
                throw malformed("tensor \(name): \(error.reason)")
            }
        }
        self.entries = entries
        self.ranges = ranges
        try Self.checkFilled(file, ranges, from: start, to: bytes.count)
    }

    private static func checkFilled(
        _ file: String, _ ranges: [String: Range<Int>], from start: Int, to end: Int
    ) throws(TensorError) {
        let ordered = ranges.sorted {
            ($0.value.lowerBound, $0.value.upperBound, $0.key) < ($1.value.lowerBound, $1.value.upperBound, $1.key)
        }
        var position = start
        for (name, range) in ordered {
            guard range.lowerBound == position else {
                let what = range.lowerBound < position ? "overlaps another" : "leaves a hole before it"
                throw .malformed(file: file, reason: "tensor \(name) \(what)")
            }
            position = range.upperBound
        }
        guard position == end else {
            throw .malformed(file: file, reason: "\(end - position) bytes behind the last tensor belong to none")
        }
    }
}

struct TensorProblem: Error {
    var reason: String
}

private struct RawHeader: Decodable {
    var tensors: [String: RawEntry] = [:]
    var metadata: [String: String] = [:]

    struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for key in container.allKeys {
            if key.stringValue == "__metadata__" {
                metadata = try container.decode([String: String].self, forKey: key)
            } else {
                tensors[key.stringValue] = try container.decode(RawEntry.self, forKey: key)
            }
        }
    }
}

/// A tensor as the header's JSON has it.
struct RawEntry: Codable {
    var dtype: String
    var shape: [Int]
    var offsets: [Int]

    enum CodingKeys: String, CodingKey {
        case dtype
        case shape
        case offsets = "data_offsets"
    }

    func entry(dataStart: Int, dataBytes: Int) throws(TensorProblem) -> (TensorEntry, Range<Int>) {
        guard let type = ElementType(rawValue: dtype) else {
            throw TensorProblem(reason: "unknown element type \(dtype)")
        }
        guard shape.count <= SafetensorsHeader.dimensionsMax, shape.allSatisfy({ $0 >= 0 }) else {
            throw TensorProblem(reason: "shape \(shape)")
        }
        var bytes = type.bytes
        for side in shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: side)
            guard !overflow else { throw TensorProblem(reason: "shape \(shape) is too large") }
            bytes = product
        }
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
            throw TensorProblem(reason: "data_offsets \(offsets)")
        }
        guard offsets[1] <= dataBytes else {
            throw TensorProblem(reason: "ends at byte \(offsets[1]) of \(dataBytes): the file is cut short")
        }
        guard offsets[1] - offsets[0] == bytes else {
            throw TensorProblem(
                reason: "\(offsets[1] - offsets[0]) bytes, but \(dtype) \(shape) takes \(bytes)")
        }
        return (TensorEntry(type: type, shape: shape), dataStart + offsets[0]..<dataStart + offsets[1])
    }
}
