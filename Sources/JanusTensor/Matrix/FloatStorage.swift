import Foundation

/// A fixed number of f32 values, 64-byte aligned, zero at first, freed with its last reference.
@safe final class FloatStorage {
    let base: UnsafeMutablePointer<Float>
    let count: Int
    private let mappedBytes: Int
    /// Keeps a file mapped whose values these are; they are read-only.
    private let owner: ByteStorage?

    /// From here on memory comes straight from the kernel: zeroed lazily, so that an unused KV cache costs nothing.
    private static let mappedFromBytes = 1 << 20
    private static let hugeFromBytes = 4 << 20
    private static let alignmentBytes = 64

    /// Traps when there is no memory, as every Swift allocation does; sizes are checked against the file before.
    init(count: Int) {
        precondition(count >= 0 && count <= Int.max / MemoryLayout<Float>.stride, "a tensor of \(count) values")
        let bytes = max(count * MemoryLayout<Float>.stride, Self.alignmentBytes)
        self.count = count
        owner = nil
        var raw: UnsafeMutableRawPointer?
        if bytes >= Self.mappedFromBytes {
            mappedBytes = bytes
            unsafe raw = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if unsafe raw == MAP_FAILED { unsafe raw = nil }
            // Most of the time of a large temporary is the kernel's, page after page: larger pages where there are any.
            #if os(Linux)
                if let raw = unsafe raw, bytes >= Self.hugeFromBytes { unsafe madvise(raw, bytes, MADV_HUGEPAGE) }
            #endif
        } else {
            mappedBytes = 0
            if unsafe posix_memalign(&raw, Self.alignmentBytes, bytes) == 0, let raw = unsafe raw {
                unsafe memset(raw, 0, bytes)
            }
        }
        guard let raw = unsafe raw else { preconditionFailure("out of memory: a tensor of \(bytes) bytes") }
        unsafe base = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    /// Values that lie in other storage, never written to.
    init(_ bytes: ByteStorage) {
        precondition(
            unsafe UInt(bitPattern: bytes.base) % UInt(MemoryLayout<Float>.alignment) == 0, "values out of line")
        count = bytes.count / MemoryLayout<Float>.stride
        mappedBytes = 0
        owner = bytes
        unsafe base = bytes.base.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit {
        if owner != nil { return }
        if mappedBytes > 0 { unsafe munmap(base, mappedBytes) } else { unsafe free(base) }
    }
}
