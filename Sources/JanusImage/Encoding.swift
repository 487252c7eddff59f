import CImageCodecs
package import Foundation
package import JanusJob

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
    package func encoded(as format: ImageFormat, metadata: ImageMetadata? = nil) throws(ImageError) -> Data {
        var encoder = PictureEncoder(self, as: format, metadata: metadata)
        while true {
            if let file = try encoder.advance() { return file }
        }
    }

    func encodedJPEG(_ metadata: ImageMetadata?) throws(ImageError) -> Data {
        try unsafe encodedFile(.jpeg) { file, message in
            let packet = metadata.map { XMPPacket($0).app1 } ?? []
            return unsafe jic_write_jpeg(
                pixels, UInt32(width), UInt32(height), Self.jpegQuality, packet, packet.count, file, message)
        }
    }

    func encodedWebP(_ metadata: ImageMetadata?) throws(ImageError) -> Data {
        let file = try unsafe encodedFile(.webp) { file, message in
            unsafe jic_write_webp(pixels, UInt32(width), UInt32(height), Self.webpQuality, file, message)
        }
        return XMPPacket.embed(metadata, inWebP: file, width: width, height: height)
    }

    private func encodedFile(
        _ format: ImageFormat,
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
