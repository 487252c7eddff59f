import CImageCodecs
package import Foundation
package import JanusJob
import JanusSystem

/// A picture on its way into a file: a PNG in parts of a few milliseconds, between which others may compute; JPEG and WebP,
/// whose libraries know no parts, at once.
package struct PictureEncoder: ~Copyable {
    private let image: RGBImage
    private let format: ImageFormat
    private let metadata: ImageMetadata?
    private var png: PNGWriter?
    private var rowsDone = 0

    /// Of a part: four milliseconds where they are smooth, which costs zlib most (a picture of 384 × 384 takes 70), one
    /// where they are noise.
    private static let partPixels = 1 << 13

    package init(_ image: RGBImage, as format: ImageFormat, metadata: ImageMetadata? = nil) {
        self.image = image
        self.format = format
        self.metadata = metadata
    }

    /// Does the next part.
    /// - Returns: the file, once it is whole.
    package mutating func advance() throws(ImageError) -> Data? {
        switch format {
        case .png: try advancePNG()
        case .jpeg: try image.encodedJPEG(metadata)
        case .webp: try image.encodedWebP(metadata)
        }
    }

    private mutating func advancePNG() throws(ImageError) -> Data? {
        if png == nil { png = try PNGWriter(width: image.width, height: image.height, metadata) }
        let end = min(rowsDone + max(Self.partPixels / image.width, 1), image.height)
        let bytes = 3 * image.width
        try png?.write(image.pixels[rowsDone * bytes..<end * bytes], rows: end - rowsDone)
        rowsDone = end
        return rowsDone == image.height ? try png?.end() : nil
    }
}

/// libpng's state.
@safe struct PNGWriter: ~Copyable {
    private let writer: OpaquePointer

    init(width: Int, height: Int, _ metadata: ImageMetadata?) throws(ImageError) {
        let entries: [(String, String)] =
            metadata.map {
                [
                    ("prompt", $0.prompt), ("seed", String($0.seed)), ("model", $0.model), ("index", String($0.index)),
                    ("Software", ImageMetadata.software),
                ]
            } ?? []
        let begun = unsafe withCStrings(entries.map(\.0)) { keywords in
            unsafe withCStrings(entries.map(\.1)) { texts in
                unsafe jic_png_begin(UInt32(width), UInt32(height), keywords, texts, entries.count)
            }
        }
        guard let writer = unsafe begun else { throw .notWritten(.png, reason: "out of memory") }
        unsafe self.writer = writer
    }

    deinit { unsafe jic_png_free(writer) }

    /// - Parameter pixels: of the next rows.
    func write(_ pixels: ArraySlice<UInt8>, rows: Int) throws(ImageError) {
        let status = unsafe pixels.withUnsafeBufferPointer {
            unsafe jic_png_write(writer, $0.baseAddress, UInt32(rows))
        }
        if status != JIC_OK { throw failure }
    }

    func end() throws(ImageError) -> Data {
        var file = unsafe jic_file()
        let status = unsafe jic_png_end(writer, &file)
        defer { unsafe jic_free_file(file) }
        guard status == JIC_OK, let bytes = unsafe file.bytes else { throw failure }
        return unsafe Data(bytes: bytes, count: file.count)
    }

    private var failure: ImageError { .notWritten(.png, reason: unsafe String(cString: jic_png_message(writer))) }
}
