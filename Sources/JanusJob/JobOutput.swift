import Crypto
package import Foundation

/// What an output is. Media type and extension follow from it.
package enum OutputFormat: Codable, Sendable, Equatable {
    /// Sizes in pixels.
    case image(ImageFormat, width: Int, height: Int)
    /// UTF-8.
    case text

    package var mediaType: String {
        switch self {
        case .image(let format, _, _): format.mediaType
        case .text: "text/plain; charset=utf-8"
        }
    }

    /// In pixels; nil for text.
    package var size: (width: Int, height: Int)? {
        switch self {
        case .image(_, let width, let height): (width, height)
        case .text: nil
        }
    }

    /// Without a dot.
    package var fileExtension: String {
        switch self {
        case .image(let format, _, _): format.fileExtension
        case .text: "txt"
        }
    }
}

/// One file of a result, from the worker that made it to the row that records it.
package struct JobOutput: Sendable, Equatable {
    /// 0 for the first.
    package var index: Int
    package var format: OutputFormat
    package var data: Data
    /// Where it was uploaded to, without query strings.
    package var urls: [String] = []
    /// Whether the row keeps the bytes: `db:` is among the job's sinks.
    package var isStored = false

    package init(index: Int, format: OutputFormat, data: Data) {
        self.index = index
        self.format = format
        self.data = data
    }

    /// An answer, whole.
    package init(text: String) { self.init(index: 0, format: .text, data: Data(text.utf8)) }

    /// Of `data`, in lower-case hexadecimal.
    package var sha256: String { SHA256.hash(data: data).hexadecimal }
}
