package import JanusJob

/// A picture that cannot be read or written, or a processor's configuration that cannot be followed.
package enum ImageError: Error, Equatable, CustomStringConvertible {
    case empty
    case unknownFormat(firstBytes: [UInt8])
    case truncated(ImageFormat)
    case corrupt(ImageFormat, reason: String)
    case unsupported(ImageFormat, reason: String)
    case zeroSize(ImageFormat)
    case tooManyPixels(width: Int, height: Int, pixelsMax: Int)
    case sideTooLong(width: Int, height: Int, sidePixelsMax: Int)
    case outOfMemory(width: Int, height: Int)
    case notWritten(ImageFormat, reason: String)
    case configuration(path: String, reason: String)

    package var description: String {
        switch self {
        case .empty:
            "the picture has no bytes"
        case .unknownFormat(let bytes):
            "the picture begins with \(bytes.map { [$0].hexadecimal }.joined(separator: " ")), "
                + "which is neither PNG, JPEG nor WebP"
        case .truncated(let format):
            "the \(format.name) ends too early: it was not sent or stored whole"
        case .corrupt(let format, let reason):
            "the \(format.name) cannot be decoded\(reason.isEmpty ? "" : ": " + reason)"
        case .unsupported(let format, let reason):
            "the \(format.name) is of a kind that is not read\(reason.isEmpty ? "" : ": " + reason)"
        case .zeroSize(let format):
            "the \(format.name) has no pixels"
        case .tooManyPixels(let width, let height, let limit):
            "the picture has \(width)×\(height) pixels, more than the limit of \(limit)"
        case .sideTooLong(let width, let height, let limit):
            "the picture has \(width)×\(height) pixels; a side may have \(limit)"
        case .outOfMemory(let width, let height):
            "no memory for a picture of \(width)×\(height) pixels"
        case .notWritten(let format, let reason):
            "the picture could not be written as \(format.name): \(reason)"
        case .configuration(let path, let reason):
            "\(path): \(reason)"
        }
    }

    /// Whether a limit refused the picture, as opposed to its bytes.
    package var isLimit: Bool {
        switch self {
        case .tooManyPixels, .sideTooLong: true
        case .empty, .unknownFormat, .truncated, .corrupt, .unsupported, .zeroSize, .outOfMemory, .notWritten,
            .configuration:
            false
        }
    }
}

/// The formats that are drawn in are also those that are read.
extension ImageFormat {
    /// For people.
    var name: String {
        switch self {
        case .png: "PNG"
        case .jpeg: "JPEG"
        case .webp: "WebP"
        }
    }

    /// What a file is, by its first bytes: names and media types lie.
    package init?(sniffing bytes: some Collection<UInt8>) {
        let head = Array(bytes.prefix(12))
        if head.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if head.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if head.count == 12, head.starts(with: "RIFF".utf8), head[8...].elementsEqual("WEBP".utf8) {
            self = .webp
        } else {
            return nil
        }
    }
}
