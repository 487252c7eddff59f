import Foundation
import JanusImage
import JanusJob
import Testing

@Suite("Picture files")
struct ImageFileTests {
    private let metadata = ImageMetadata(
        prompt: "a <red> fox & \"狐\"\u{1}\n", seed: -42, model: "janus-pro-1b", index: 3)

    @Test("a PNG gives its pixels back, with the metadata in iTXt chunks")
    func png() throws {
        let image = noise(width: 33, height: 21, seed: 5)
        let file = try image.encoded(as: .png, metadata: metadata)
        #expect(try RGBImage(decoding: file) == image)
        for text in [
            "iTXtprompt\0\0\0\0\0" + metadata.prompt, "iTXtseed\0\0\0\0\0-42", "iTXtmodel\0\0\0\0\0janus-pro-1b",
        ] {
            #expect(file.range(of: Data(text.utf8)) != nil, "\(text)")
        }
        #expect(try RGBImage(decoding: image.encoded(as: .png)) == image)
    }

    @Test("a PNG of real size comes in parts, and others may be written between them")
    func parts() throws {
        let image = noise(width: 384, height: 384, seed: 6)
        var encoder = PictureEncoder(image, as: .png, metadata: metadata)
        var parts = 1
        var file = try encoder.advance()
        while file == nil {
            _ = try noise(width: 20, height: 10, seed: UInt32(parts)).encoded(as: .png)
            file = try encoder.advance()
            parts += 1
        }
        #expect(parts > 2)
        #expect(try file == image.encoded(as: .png, metadata: metadata))
    }

    @Test("a PNG that is given up halfway is freed")
    func givenUp() throws {
        var encoder = PictureEncoder(noise(width: 384, height: 384, seed: 7), as: .png)
        #expect(try encoder.advance() == nil)
    }

    @Test("JPEG and WebP come close, with the metadata as XMP", arguments: [ImageFormat.jpeg, .webp])
    func lossy(format: ImageFormat) throws {
        var pixels: [UInt8] = []
        for row in 0..<25 {
            for column in 0..<40 { pixels += [UInt8(6 * column), UInt8(10 * row), 90] }
        }
        let image = RGBImage(width: 40, height: 25, pixels: pixels)
        let file = try image.encoded(as: format, metadata: metadata)
        #expect(ImageFormat(sniffing: file) == format)
        let decoded = try RGBImage(decoding: file)
        #expect(decoded.width == 40 && decoded.height == 25)
        let error = zip(decoded.pixels, image.pixels).map { abs(Int($0) - Int($1)) }.reduce(0, +)
        #expect(error < 8 * image.pixels.count)
        for text in [
            "a &lt;red&gt; fox &amp; &quot;狐&quot;\u{FFFD}&#10;", "janus:seed=\"-42\"", "http://ns.adobe.com/xap",
        ] {
            #expect(file.range(of: Data(text.utf8)) != nil, "\(text)")
        }
        #expect(try RGBImage(decoding: image.encoded(as: format)) == decoded)
    }

    @Test("a prompt too long for a JPEG's marker is cut, not refused")
    func longPrompt() throws {
        var long = metadata
        long.prompt = String(repeating: "<狐>", count: 20_000)
        let image = noise(width: 8, height: 8, seed: 1)
        for format in ImageFormat.allCases {
            #expect(try RGBImage(decoding: image.encoded(as: format, metadata: long)).width == 8)
        }
    }

    @Test("what is no picture is refused by its first bytes")
    func unknown() {
        #expect(throws: ImageError.empty) { try RGBImage(decoding: Data()) }
        for text in ["GIF89a......", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "x", "RIFF\0\0\0\0WAVE"] {
            #expect(throws: ImageError.unknownFormat(firstBytes: Array(text.utf8.prefix(8)))) {
                try RGBImage(decoding: Data(text.utf8))
            }
        }
    }

    @Test("a PNG that promises billions of pixels is refused by its header")
    func bomb() throws {
        #expect(throws: ImageError.tooManyPixels(width: 30_000, height: 30_000, pixelsMax: 64 << 20)) {
            try RGBImage(decoding: header(width: 30_000, height: 30_000))
        }
        #expect(throws: ImageError.sideTooLong(width: 100_000, height: 1, sidePixelsMax: 32_768)) {
            try RGBImage(decoding: header(width: 100_000, height: 1))
        }
        #expect(throws: ImageError.self) { try RGBImage(decoding: header(width: 0xFFFF_FFFF, height: 0xFFFF_FFFF)) }
        var limits = ImageLimits()
        limits.pixelsMax = 63
        let image = try noise(width: 8, height: 8, seed: 1).encoded(as: .jpeg)
        let error = #expect(throws: ImageError.self) { try RGBImage(decoding: image, limits: limits) }
        #expect(error?.isLimit == true)
    }

    @Test("a picture without pixels is refused")
    func zeroSize() {
        for (width, height) in [(0, 4), (4, 0), (0, 0)] as [(UInt32, UInt32)] {
            #expect(throws: ImageError.self) { try RGBImage(decoding: header(width: width, height: height)) }
        }
    }

    @Test("a JPEG of endless scans is refused")
    func scans() throws {
        // A progressive file's last scan, repeated.
        let base = Data(base64Encoded: progressive).map { [UInt8]($0) } ?? []
        let start = try #require(base.indices.dropLast().last { base[$0] == 0xFF && base[$0 + 1] == 0xDA })
        let scan = base[start..<(base.count - 2)]
        let bytes = Data(base.dropLast(2) + (0..<200).flatMap { _ in scan } + [0xFF, 0xD9])
        #expect(throws: ImageError.unsupported(.jpeg, reason: "it has more than 50 scans")) {
            try RGBImage(decoding: bytes)
        }
    }

    /// A PNG up to its first pixel.
    private func header(width: UInt32, height: UInt32) -> Data {
        func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let body = Array("IHDR".utf8) + bigEndian(width) + bigEndian(height) + [8, 2, 0, 0, 0]
        return Data(
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + bigEndian(13) + body + bigEndian(crc32(body))
                + bigEndian(1) + Array("IDAT".utf8))
    }

    /// 8×8, progressive, grey.
    private let progressive =
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i"
        + "Z2hnPk1xeXBkeFxlZ2P/wgALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABP/aAAgBAQAAAAEv/8QAFBABAAAAAAAAAAAA"
        + "AAAAAAAAAP/aAAgBAQABBQJ//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQAGPwJ//8QAFBABAAAAAAAAAAAAAAAAAAAAAP/a"
        + "AAgBAQABPyF//9oACAEBAAAAEP8A/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxB//9k="
}
