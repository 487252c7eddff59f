import Foundation

/// Bytes that tensors live in: their own, 64-byte aligned and zero at first, or part of a mapped file, which they keep
/// mapped (and which nobody may write to).
@safe package final class ByteStorage {
    let base: UnsafeMutableRawPointer
    let count: Int
    private let owner: MappedFile?

    init(count: Int) {
        precondition(count >= 0, "\(count) bytes")
        self.count = count
        owner = nil
        let bytes = max(count, 1)
        let address = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            preconditionFailure("out of memory: a tensor of \(bytes) bytes")
        }
        unsafe base = address
    }

    /// Memory that costs nothing until it is touched; larger pages where there are any. nil where there is no room for it.
    init?(reserving count: Int) {
        precondition(count >= 0, "\(count) bytes")
        self.count = count
        owner = nil
        let bytes = max(count, 1)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let address = unsafe mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let address = unsafe address, unsafe address != MAP_FAILED else { return nil }
        #if os(Linux)
            if bytes >= Self.hugeFromBytes { unsafe madvise(address, bytes, MADV_HUGEPAGE) }
        #endif
        unsafe base = address
    }

    private static let hugeFromBytes = 4 << 20

    init(file: MappedFile, range: Range<Int>) {
        precondition(unsafe range.lowerBound >= 0 && range.upperBound <= file.bytes.count, "bytes \(range) of a file")
        guard let address = unsafe file.bytes.baseAddress else { preconditionFailure("an unmapped file") }
        unsafe base = UnsafeMutableRawPointer(mutating: address + range.lowerBound)
        count = range.count
        owner = file
    }

    deinit {
        if owner == nil { unsafe munmap(base, max(count, 1)) }
    }

    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }
}
