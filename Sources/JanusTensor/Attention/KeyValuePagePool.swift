import CJanusKernels
package import JanusJob

/// The arithmetic of rounding is in JanusAttention.h.
extension KeyValueFormat {
    fileprivate var code: Int32 {
        switch self {
        case .bf16: Int32(janus_tile_bf16.rawValue)
        case .int8: Int32(janus_tile_int8.rawValue)
        }
    }

    /// A tile of so many values.
    fileprivate func bytes(values: Int) -> Int {
        switch self {
        case .bf16: values * MemoryLayout<UInt16>.stride
        case .int8: values + KeyValuePagePool.tilePositions * MemoryLayout<Float>.stride
        }
    }
}

/// One mapping of memory for keys and values in tiles, reserved at once, touched where it is used, and cut into pages: a page
/// holds 64 positions of a sequence, of every layer and head. Sequences take pages, may share them, and give them back;
/// nothing else is ever taken from the system.
package final class KeyValuePagePool {
    package let layers: Int
    package let heads: Int
    package let headSize: Int
    package let pagesMax: Int
    let layout: janus_tile_layout
    private let storage: ByteStorage
    /// Of each page that was ever used, how many sequences have it.
    private var users: [Int32] = []
    /// Pages that were used and are free: the last one is taken next, for its memory is there.
    private var unused: [Int32] = []

    /// - Returns: nil where the system does not reserve so much address space.
    package init?(bytesMax: Int, layers: Int, heads: Int, headSize: Int, format: KeyValueFormat) {
        precondition(layers >= 1 && heads >= 1, "pages of \(layers) layers and \(heads) heads")
        precondition(headSize >= 1 && headSize <= Self.headSizeMax, "a head of \(headSize)")
        self.layers = layers
        self.heads = heads
        self.headSize = headSize
        layout = Self.layout(layers: layers, heads: heads, headSize: headSize, format: format)
        pagesMax = min(max(bytesMax, 0) / Int(layout.page_bytes), Int(Int32.max))
        guard let storage = ByteStorage(reserving: pagesMax * Int(layout.page_bytes)) else { return nil }
        self.storage = storage
    }

    package static let headSizeMax = Int(janus_head_size_max)
    static let tilePositions = Int(janus_tile_positions)
    package static let pagePositions = tilePositions * Int(janus_page_tiles)

    /// Bytes that a position takes in each layer, keys and values together.
    package static func bytesPerPosition(heads: Int, headSize: Int, format: KeyValueFormat) -> Int {
        Int(layout(layers: 1, heads: heads, headSize: headSize, format: format).page_bytes) / pagePositions
    }

    /// What a sequence with room for so many positions takes: whole pages.
    package static func bytes(positions: Int, layers: Int, heads: Int, headSize: Int, format: KeyValueFormat) -> Int {
        pages(positions) * Int(layout(layers: layers, heads: heads, headSize: headSize, format: format).page_bytes)
    }

    static func pages(_ positions: Int) -> Int { (positions + pagePositions - 1) / pagePositions }

    private static func layout(layers: Int, heads: Int, headSize: Int, format: KeyValueFormat) -> janus_tile_layout {
        let multiple = Int(janus_head_multiple)
        let padded = (headSize + multiple - 1) / multiple * multiple
        let tileBytes = format.bytes(values: tilePositions * padded)
        return janus_tile_layout(
            format: format.code, size: headSize, padded: padded, tile_bytes: tileBytes,
            page_bytes: layers * heads * 2 * Int(janus_page_tiles) * tileBytes)
    }

    package var pageBytes: Int { Int(layout.page_bytes) }
    package var pagesUsed: Int { users.count - unused.count }
    var pagesFree: Int { pagesMax - pagesUsed }

    /// Whether the same kernels can read both side by side.
    func isLike(_ other: KeyValuePagePool) -> Bool {
        self === other
            || (layers == other.layers && heads == other.heads && layout.size == other.layout.size
                && layout.format == other.layout.format)
    }

    // MARK: pages

    /// A free page; its content is whatever was there.
    func take() -> Int32 {
        precondition(pagesFree > 0, "no page is free")
        guard let page = unused.popLast() else {
            users.append(1)
            return Int32(users.count - 1)
        }
        users[Int(page)] = 1
        return page
    }

    func share(_ page: Int32) { users[Int(page)] += 1 }

    func release(_ page: Int32) {
        users[Int(page)] -= 1
        if users[Int(page)] == 0 { unused.append(page) }
    }

    func isShared(_ page: Int32) -> Bool { users[Int(page)] > 1 }

    /// Where a head of a layer begins in page 0.
    @unsafe func base(layer: Int, head: Int) -> UnsafeMutablePointer<CChar> {
        precondition(layer >= 0 && layer < layers && head >= 0 && head < heads, "layer \(layer), head \(head)")
        let tiles = 2 * Int(janus_page_tiles) * (layer * heads + head)
        return unsafe storage.base.assumingMemoryBound(to: CChar.self) + tiles * Int(layout.tile_bytes)
    }
}
