import CImageCodecs
package import Foundation

/// What a drawn picture's file says about its origin.
package struct ImageMetadata: Sendable, Equatable {
    package var prompt: String
    package var seed: Int64
    package var model: String
    /// Which of the job's images this is.
    package var index: Int

    package init(prompt: String, seed: Int64, model: String, index: Int) {
        self.prompt = prompt
        self.seed = seed
        self.model = model
        self.index = index
    }

    static let software = "janusd"
}

extension RGBImage {
    static let jpegQuality: Int32 = 95
    static let webpQuality: Float = 90

    /// The picture as a file. PNG carries the metadata as iTXt chunks (`prompt`, `seed`, `model`, `index`, `Software`),
    /// JPEG and WebP as an XMP packet whose `dc:description` is the prompt.
    package func encoded(as format: PictureFormat, metadata: ImageMetadata? = nil) throws(ImageError) -> Data {
        switch format {
        case .png:
            return try encodedPNG(metadata)
        case .jpeg:
            return try unsafe encodedFile(.jpeg) { file, message in
                let packet = metadata.map { XMPPacket($0).app1 } ?? []
                return unsafe jic_write_jpeg(
                    pixels, UInt32(width), UInt32(height), Self.jpegQuality, packet, packet.count, file, message)
            }
        case .webp:
            let file = try unsafe encodedFile(.webp) { file, message in
                unsafe jic_write_webp(pixels, UInt32(width), UInt32(height), Self.webpQuality, file, message)
            }
            return XMPPacket.embed(metadata, inWebP: file, width: width, height: height)
        }
    }

    private func encodedPNG(_ metadata: ImageMetadata?) throws(ImageError) -> Data {
        let entries: [(String, String)] =
            metadata.map {
                [
                    ("prompt", $0.prompt), ("seed", String($0.seed)), ("model", $0.model), ("index", String($0.index)),
                    ("Software", ImageMetadata.software),
                ]
            } ?? []
        let keywords = CStrings(entries.map(\.0))
        let texts = CStrings(entries.map(\.1))
        return try unsafe encodedFile(.png) { file, message in
            unsafe jic_write_png(
                pixels, UInt32(width), UInt32(height), keywords.pointers, texts.pointers, entries.count, file, message)
        }
    }

    private func encodedFile(
        _ format: PictureFormat,
        _ write: (UnsafeMutablePointer<jic_file>, UnsafeMutablePointer<CChar>) -> jic_status
    ) throws(ImageError) -> Data {
        var file = unsafe jic_file()
        var message = CodecMessage()
        let status = unsafe write(&file, &message.bytes)
        defer { unsafe jic_free_file(file) }
        guard status == JIC_OK, let bytes = unsafe file.bytes else {
            throw .notWritten(format, reason: status == JIC_MEMORY ? "out of memory" : message.text)
        }
        return unsafe Data(bytes: bytes, count: file.count)
    }
}

/// Null-terminated copies of strings, freed together.
@safe private struct CStrings: ~Copyable {
    let pointers: [UnsafePointer<CChar>?]

    init(_ strings: [String]) { unsafe pointers = strings.map { unsafe UnsafePointer(strdup($0)) } }

    deinit { unsafe pointers.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
}
