import CJanusKernels
import Foundation

/// A safetensors file, mapped read-only; its header is checked in full before anything is read from it.
package final class SafetensorsFile: Checkpoint {
    private let file: MappedFile
    private let header: SafetensorsHeader

    /// - Throws: `TensorError` for a file that cannot be mapped or whose header is not sound.
    package init(path: String) throws(TensorError) {
        file = try MappedFile(path: path)
        header = try unsafe SafetensorsHeader(file: path, bytes: file.bytes)
    }

    package var path: String { file.path }
    package var files: [String] { [path] }
    /// Bytes of the whole file.
    package var bytes: Int { unsafe file.bytes.count }
    package var entries: [String: TensorEntry] { header.entries }
    package var metadata: [String: String] { header.metadata }

    /// The header as it stands in the file, length and JSON: what identifies the file without reading its weights.
    package var headerBytes: [UInt8] {
        let length = unsafe Int(UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self)))
        return unsafe Array(file.bytes[0..<8 + length])
    }

    /// The header's bytes and the file's size.
    package var identity: [[UInt8]] { [headerBytes, Array(String(bytes).utf8)] }

    private func range(_ name: String) throws(TensorError) -> Range<Int> {
        guard let range = header.ranges[name] else { throw .noSuchTensor(file: path, tensor: name) }
        return range
    }

    /// A floating-point tensor (f32, f16 or bf16) as f32, written into a dense matrix of as many values.
    package func read(_ name: String, into target: Matrix) throws(TensorError) {
        let entry = try entry(name)
        precondition(target.isDense && target.count == entry.count, "\(target.count) places for \(name)")
        let type = entry.type
        guard type.isFloatingPoint else {
            throw wrongType(name, type, expected: "F32, F16 or BF16")
        }
        guard let start = unsafe file.bytes.baseAddress, entry.count > 0 else { return }
        nonisolated(unsafe) let source = try unsafe start + range(name).lowerBound
        Threads.split(entry.count, grain: Self.grainValues) { range in
            let from = unsafe source + range.lowerBound * type.bytes
            let to = unsafe target.base + range.lowerBound
            switch type {
            case .bf16: unsafe janus_f32_from_bf16(from, to, range.count)
            case .f16: unsafe janus_f32_from_f16(from, to, range.count)
            case .f32: unsafe memcpy(to, from, range.count * type.bytes)
            case .f64, .i64, .i32, .i16, .i8, .u8, .bool: break
            }
        }
    }

    /// A floating-point tensor as f32 values in its own order.
    package func floats(_ name: String) throws(TensorError) -> [Float] {
        let target = Matrix(rows: 1, columns: try entry(name).count)
        try read(name, into: target)
        return target.array()
    }

    /// An integer tensor of 32 or 64 bits, each value of which must fit 32 bits.
    package func integers(_ name: String) throws(TensorError) -> [Int32] {
        let entry = try entry(name)
        switch entry.type {
        case .i32:
            return try values(name, as: Int32.self).map(Int32.init(littleEndian:))
        case .i64:
            let wide = try values(name, as: Int64.self).map(Int64.init(littleEndian:))
            guard wide.allSatisfy({ Int32(exactly: $0) != nil }) else {
                throw wrongType(name, .i64, expected: "values of 32 bits")
            }
            return wide.map { Int32(truncatingIfNeeded: $0) }
        case .f64, .f32, .f16, .bf16, .i16, .i8, .u8, .bool:
            throw wrongType(name, entry.type, expected: "I32 or I64")
        }
    }

    /// A tensor of bytes.
    package func bytes(_ name: String) throws(TensorError) -> [UInt8] {
        let entry = try entry(name)
        guard entry.type == .u8 else { throw wrongType(name, entry.type, expected: "U8") }
        return try unsafe Array(file.bytes[range(name)])
    }

    /// A tensor's bytes of whatever type, piece after piece.
    package func withChunks(of name: String, _ body: (UnsafeRawBufferPointer) -> Void) throws(TensorError) {
        let range = try range(name)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.chunkBytes) {
            let end = min(start + Self.chunkBytes, range.upperBound)
            unsafe body(UnsafeRawBufferPointer(rebasing: file.bytes[start..<end]))
        }
    }

    private static let chunkBytes = 1 << 24

    /// The tensor's bytes where they lie: safetensors are dense.
    package func mappedBytes(_ name: String) throws(TensorError) -> ByteStorage? {
        ByteStorage(file: file, range: try range(name))
    }

    private func values<Value: BitwiseCopyable>(_ name: String, as type: Value.Type) throws(TensorError) -> [Value] {
        let range = try range(name)
        return stride(from: range.lowerBound, to: range.upperBound, by: MemoryLayout<Value>.size).map {
            unsafe file.bytes.loadUnaligned(fromByteOffset: $0, as: type)
        }
    }

    private func wrongType(_ name: String, _ found: ElementType, expected: String) -> TensorError {
        .elementType(file: path, tensor: name, found: found.rawValue, expected: expected)
    }

    private static let grainValues = 1 << 18
}
