import Foundation
import JanusJob

/// What a picture's file says of itself in its first bytes: enough to know that it is what its maker says, without decoding it.
struct PictureHeader: Equatable {
    var format: ImageFormat
    /// In pixels.
    var width: Int
    var height: Int

    /// nil: no PNG of 8-bit RGB, no JPEG and no WebP, or one that ends before its size.
    init?(_ file: Data) {
        let bytes = Bytes(file)
        guard let header = Self.png(bytes) ?? Self.jpeg(bytes) ?? Self.webp(bytes) else { return nil }
        self = header
    }

    private init(_ format: ImageFormat, _ width: Int, _ height: Int) {
        self.format = format
        self.width = width
        self.height = height
    }

    private static func png(_ bytes: Bytes) -> PictureHeader? {
        let (depth, rgb) = (8, 2)
        guard bytes.text(at: 0, 8) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A],
            bytes.text(at: 12, 4) == Array("IHDR".utf8), let width = bytes.bigEndian(at: 16, 4),
            let height = bytes.bigEndian(at: 20, 4), bytes.bigEndian(at: 24, 1) == depth,
            bytes.bigEndian(at: 25, 1) == rgb
        else { return nil }
        return PictureHeader(.png, width, height)
    }

    /// Walks over the segments up to the frame's header.
    private static func jpeg(_ bytes: Bytes) -> PictureHeader? {
        guard bytes.text(at: 0, 2) == [0xFF, 0xD8] else { return nil }
        var place = 2
        while bytes.bigEndian(at: place, 1) == 0xFF, let marker = bytes.bigEndian(at: place + 1, 1),
            let length = bytes.bigEndian(at: place + 2, 2), length >= 2
        {
            // SOF0 … SOF15; the three between them are tables
            if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
                guard let height = bytes.bigEndian(at: place + 5, 2), let width = bytes.bigEndian(at: place + 7, 2)
                else { return nil }
                return PictureHeader(.jpeg, width, height)
            }
            place += 2 + length
        }
        return nil
    }

    /// The extended form, whose size is that of its canvas, or the plain one.
    private static func webp(_ bytes: Bytes) -> PictureHeader? {
        guard bytes.text(at: 0, 4) == Array("RIFF".utf8), bytes.text(at: 8, 4) == Array("WEBP".utf8) else { return nil }
        let chunk = bytes.text(at: 12, 4)
        if chunk == Array("VP8X".utf8), let width = bytes.littleEndian(at: 24, 3),
            let height = bytes.littleEndian(at: 27, 3)
        {
            return PictureHeader(.webp, width + 1, height + 1)
        }
        let sizeBits = (1 << 14) - 1
        if chunk == Array("VP8 ".utf8), bytes.text(at: 23, 3) == [0x9D, 0x01, 0x2A],
            let width = bytes.littleEndian(at: 26, 2), let height = bytes.littleEndian(at: 28, 2)
        {
            return PictureHeader(.webp, width & sizeBits, height & sizeBits)
        }
        return nil
    }
}

/// A file that may end anywhere.
private struct Bytes {
    private let file: Data

    init(_ file: Data) { self.file = file }

    func text(at offset: Int, _ count: Int) -> [UInt8] { Array(file.dropFirst(offset).prefix(count)) }

    /// nil where the file ends before.
    func bigEndian(at offset: Int, _ count: Int) -> Int? {
        let bytes = text(at: offset, count)
        return bytes.count == count ? bytes.reduce(0) { $0 << 8 | Int($1) } : nil
    }

    func littleEndian(at offset: Int, _ count: Int) -> Int? {
        let bytes = text(at: offset, count)
        return bytes.count == count ? bytes.reversed().reduce(0) { $0 << 8 | Int($1) } : nil
    }
}
