import Foundation
import JanusSystem

/// A tensor that a file will hold.
package struct PlannedTensor: Sendable, Equatable {
    package let name: String
    package let type: ElementType
    package let shape: [Int]

    package init(name: String, type: ElementType, shape: [Int]) {
        self.name = name
        self.type = type
        self.shape = shape
    }

    package var bytes: Int { shape.reduce(type.bytes, *) }
}

/// A safetensors file in the making. It is written under a temporary name beside its own, with all its room reserved
/// first, and takes its name in one step when it is whole; otherwise nothing is left of it.
package final class SafetensorsOutput {
    package let path: String
    package let bytes: Int
    private var file: PartialFile
    private let offsets: [String: Range<Int>]
    private let ordered: [PlannedTensor]
    private var metadata: [String: String]
    private let headerBytes: Int
    private var missing: Set<String>

    /// Tensors begin at multiples of this, as far as their sizes allow: those of other sizes come last.
    private static let alignmentBytes = 64
    private static let lengthBytes = 8

    /// - Parameter metadata: values may change until `finish`, but not their lengths.
    /// - Throws: `unwritable` when the directory is read-only or has no room for the whole file.
    package init(path: String, tensors: [PlannedTensor], metadata: [String: String]) throws(TensorError) {
        self.path = path
        self.metadata = metadata
        ordered = tensors.enumerated().sorted { a, b in
            func rank(_ tensor: PlannedTensor) -> Int {
                tensor.bytes % Self.alignmentBytes == 0 ? 0 : 8 - tensor.type.bytes
            }
            return (rank(a.element), a.offset) < (rank(b.element), b.offset)
        }.map(\.element)
        var offsets: [String: Range<Int>] = [:]
        var position = 0
        for tensor in ordered {
            precondition(offsets[tensor.name] == nil, "two tensors named \(tensor.name)")
            offsets[tensor.name] = position..<position + tensor.bytes
            position += tensor.bytes
        }
        self.offsets = offsets
        missing = Set(offsets.keys)
        headerBytes = try Self.header(path, ordered, offsets, metadata).count
        bytes = headerBytes + position
        file = try PartialFile(path: path)
        let failure = posix_fallocate(file.descriptor, 0, off_t(bytes))
        guard failure == 0 else {
            throw .unwritable(file: path, reason: "no room for \(bytes) bytes: \(String(errno: failure))")
        }
    }

    /// Removes files in the making that dead processes left in a directory, those whose names begin with `start`.
    package static func removeLeftovers(in directory: String, start: String) {
        PartialFile.removeLeftovers(in: directory, start: start)
    }

    package func write(_ name: String, _ values: UnsafeRawBufferPointer) throws(TensorError) {
        guard let range = offsets[name] else { preconditionFailure("\(name) was not planned") }
        precondition(values.count == range.count, "\(name) has other sides than planned")
        try unsafe write(values, at: headerBytes + range.lowerBound)
        missing.remove(name)
    }

    /// Writes the header, makes the file durable and gives it its name.
    package func finish(metadata changed: [String: String]) throws(TensorError) {
        precondition(missing.isEmpty, "never written: \(missing.sorted().joined(separator: ", "))")
        metadata.merge(changed) { $1 }
        let header = try Self.header(path, ordered, offsets, metadata)
        precondition(header.count == headerBytes, "metadata of another length")
        var failure: TensorError?
        unsafe header.withUnsafeBytes { bytes in
            do throws(TensorError) { try unsafe write(bytes, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try file.takeName()
    }

    private func write(_ values: UnsafeRawBufferPointer, at offset: Int) throws(TensorError) {
        var done = 0
        while done < values.count {
            let count = unsafe pwrite(
                file.descriptor, values.baseAddress.map { unsafe $0 + done }, values.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw .unwritable(file: path, reason: String(errno: count == 0 ? ENOSPC : errno))
            }
        }
    }

    private enum Value: Encodable {
        case entry(RawEntry)
        case metadata([String: String])

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .entry(let entry): try entry.encode(to: encoder)
            case .metadata(let values): try values.encode(to: encoder)
            }
        }
    }

    /// Length and JSON, with blanks behind it so that the tensors begin in line.
    private static func header(
        _ path: String, _ tensors: [PlannedTensor], _ offsets: [String: Range<Int>], _ metadata: [String: String]
    ) throws(TensorError) -> Data {
        var values: [String: Value] = ["__metadata__": .metadata(metadata)]
        for tensor in tensors {
            guard let range = offsets[tensor.name] else { continue }
            values[tensor.name] = .entry(
                RawEntry(
                    dtype: tensor.type.rawValue, shape: tensor.shape, offsets: [range.lowerBound, range.upperBound]))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var json: Data
        do { json = try encoder.encode(values) } catch {
            throw .unwritable(file: path, reason: "its header cannot be encoded (\(error))")
        }
        while (lengthBytes + json.count) % alignmentBytes != 0 { json.append(UInt8(ascii: " ")) }
        let length = (0..<lengthBytes).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
        return Data(length) + json
    }
}
