import CImageCodecs
package import Foundation
import JanusJob

extension RGBImage {
    /// Decodes a PNG, JPEG or WebP file as PIL's `open(…).convert("RGB")` does: alpha is dropped, not blended; palettes
    /// are looked up; 16-bit grey is clipped and other 16-bit values keep their high byte; CMYK is taken for Adobe's;
    /// an animation gives its first picture; EXIF orientation and colour profiles are not looked at.
    package init(decoding file: Data, limits: ImageLimits = ImageLimits()) throws(ImageError) {
        guard !file.isEmpty else { throw .empty }
        guard let format = ImageFormat(sniffing: file) else {
            throw .unknownFormat(firstBytes: Array(file.prefix(8)))
        }
        let bytes = [UInt8](file)
        var reader = PictureReader(format: format, bytes: bytes)
        try reader.readSize()
        let (width, height) = (Int(reader.width), Int(reader.height))
        guard width > 0, height > 0 else { throw .zeroSize(format) }
        guard max(width, height) <= limits.sidePixelsMax else {
            throw .sideTooLong(width: width, height: height, sidePixelsMax: limits.sidePixelsMax)
        }
        guard width * height <= limits.pixelsMax else {
            throw .tooManyPixels(width: width, height: height, pixelsMax: limits.pixelsMax)
        }
        self.init(width: width, height: height, pixels: try reader.readPixels())
    }
}

private struct PictureReader {
    let format: ImageFormat
    let bytes: [UInt8]
    var width: UInt32 = 0
    var height: UInt32 = 0

    init(format: ImageFormat, bytes: [UInt8]) {
        self.format = format
        self.bytes = bytes
    }

    mutating func readSize() throws(ImageError) {
        var message = CodecMessage()
        let status = unsafe function(bytes, bytes.count, &width, &height, nil, &message.bytes)
        try check(status, message)
    }

    mutating func readPixels() throws(ImageError) -> [UInt8] {
        var message = CodecMessage()
        let count = 3 * Int(width) * Int(height)
        var status = JIC_MEMORY
        let pixels = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            // A file that decodes only in part must not show what the memory held before.
            unsafe target.initialize(repeating: 0)
            unsafe status = function(bytes, bytes.count, &width, &height, target.baseAddress, &message.bytes)
            initialized = count
        }
        try check(status, message)
        return pixels
    }

    private var function: jic_reader {
        switch format {
        case .png: unsafe jic_read_png
        case .jpeg: unsafe jic_read_jpeg
        case .webp: unsafe jic_read_webp
        }
    }

    private func check(_ status: jic_status, _ message: CodecMessage) throws(ImageError) {
        switch status {
        case JIC_OK: return
        case JIC_TRUNCATED: throw .truncated(format)
        case JIC_UNSUPPORTED: throw .unsupported(format, reason: message.text)
        case JIC_MEMORY: throw .outOfMemory(width: Int(width), height: Int(height))
        // A C enum has no closed set of cases; what is left is JIC_CORRUPT.
        default: throw .corrupt(format, reason: message.text)
        }
    }
}

/// What a codec says about a failure.
struct CodecMessage {
    var bytes = [CChar](repeating: 0, count: Int(JIC_MESSAGE_BYTES))

    var text: String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
