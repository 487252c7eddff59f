import Foundation
import JanusImage
import JanusJob
import TestSupport
import Testing

/// What `Tests/Fixtures/make_pictures.py` wrote.
private struct Pictures: Decodable {
    struct File: Decodable {
        var name: String
        var file: Data
        var width: Int
        var height: Int
        var rgb: Data
    }
    struct Resize: Decodable {
        var width: Int
        var height: Int
        var seed: UInt32
        var newWidth: Int
        var newHeight: Int
        var fnv1a: String
    }
    var files: [File]
    var resizes: [Resize]

    static func read() throws -> Pictures {
        try JSONDecoder().decode(
            Pictures.self, from: Data(contentsOf: URL(filePath: Reference.file("Fixtures/pictures.json"))))
    }
}

@Suite("Pictures as Pillow sees them")
struct PillowTests {
    @Test("every kind of file decodes to Pillow's RGB")
    func decoding() throws {
        let files = try Pictures.read().files
        #expect(files.count > 25)
        for file in files {
            let image = try RGBImage(decoding: file.file)
            #expect(image.width == file.width && image.height == file.height, "\(file.name)")
            #expect(image.pixels == [UInt8](file.rgb), "\(file.name)")
        }
    }

    @Test("every file cut short is refused or decodes to its size, and nothing worse happens")
    func truncation() throws {
        for file in try Pictures.read().files {
            for count in 0..<file.file.count {
                do {
                    let image = try RGBImage(decoding: file.file.prefix(count))
                    #expect(image.width == file.width && image.height == file.height, "\(file.name) at \(count)")
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
            #expect(throws: ImageError.self) { try RGBImage(decoding: file.file.prefix(file.file.count / 2)) }
        }
    }

    @Test("every file with a flipped byte is refused or decodes, and nothing worse happens")
    func damage() throws {
        var limits = ImageLimits()
        limits.pixelsMax = 1 << 20
        for format in ImageFormat.allCases {
            let files = try Pictures.read().files.filter { ImageFormat(sniffing: $0.file) == format }
            var (cases, decoded, refusedInside) = (0, 0, 0)
            for file in files {
                for index in file.file.indices {
                    for mask: UInt8 in [0x01, 0x80, 0xFF] {
                        var bytes = file.file
                        bytes[index] ^= mask
                        // else the chunk's checksum would end nearly all of them before their bytes are looked at
                        if format == .png { bytes = checksummed(bytes) }
                        cases += 1
                        do throws(ImageError) {
                            _ = try RGBImage(decoding: bytes, limits: limits)
                            decoded += 1
                        } catch {
                            #expect(!error.description.isEmpty)
                            switch error {
                            // by the codec, which has begun to read
                            case .truncated, .corrupt, .unsupported, .zeroSize, .tooManyPixels, .sideTooLong:
                                refusedInside += 1
                            case .empty, .unknownFormat, .outOfMemory, .notWritten, .configuration: break
                            }
                        }
                    }
                }
            }
            print(
                "\(format) with a flipped byte: \(cases) cases, \(decoded) decoded, \(refusedInside) refused by the codec"
            )
            #expect(cases > 1000 && decoded + refusedInside > cases * 9 / 10, "\(format)")
            #expect(decoded > cases / 20 && refusedInside > cases / 20, "\(format)")
        }
    }

    @Test("resizing gives Pillow's bytes")
    func resizing() throws {
        let resizes = try Pictures.read().resizes
        #expect(resizes.count > 5)
        for item in resizes {
            let image = noise(width: item.width, height: item.height, seed: item.seed)
            let result = image.resized(width: item.newWidth, height: item.newHeight)
            #expect(result.width == item.newWidth && result.height == item.newHeight)
            let text = String(fnv1a(result.pixels), radix: 16)
            #expect(String(repeating: "0", count: 16 - text.count) + text == item.fnv1a, "\(item)")
        }
    }
}

@Suite("The encoder's input")
struct ImagePreprocessorTests {
    private static let folder = "Reference/tiny"

    @Test("the reference's pictures decode, resize and pad to its bytes", arguments: 0..<4)
    func reference(index: Int) throws {
        let expected = try ExpectedTensors(path: Reference.file(Self.folder + "/expected.safetensors"))
        let preprocessor = try ImagePreprocessor(path: Reference.file(Self.folder + "/hf/preprocessor_config.json"))
        let file = try Data(contentsOf: URL(filePath: Reference.file(Self.folder + "/image\(index).png")))
        let image = try RGBImage(decoding: file)
        #expect(try image.pixels == expected.bytes("image\(index).input"))
        let resized = preprocessor.resized(image)
        #expect(try resized.pixels == expected.bytes("image\(index).resized"))
        let input = preprocessor.normalized(resized)
        #expect(input.count == 3 * preprocessor.imageSize * preprocessor.imageSize)
        #expect(zip(resized.pixels, input).allSatisfy { abs(Float($0) / 255 * 2 - 1 - $1) < 1e-6 })
    }

    private func load(_ json: String) throws -> ImagePreprocessor {
        let path = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString).json").path
        try Data(json.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try ImagePreprocessor(path: path)
    }

    @Test("both layouts' files are read, and without normalising the values stay in 0…1")
    func layouts() throws {
        let means = "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]"
        #expect(try load("{\"image_size\":384,\(means)}").imageSize == 384)
        #expect(try load("{\"size\":{\"height\":64,\"width\":64},\(means)}").imageSize == 64)
        #expect(try load("{\"size\":64,\(means)}").imageSize == 64)
        let plain = try load("{\"image_size\":1,\"do_normalize\":false,\(means)}")
        #expect(plain.normalized(RGBImage(width: 1, height: 1, pixels: [0, 51, 255])) == [0, 0.2, 1])
    }

    @Test(
        "what cannot be followed is refused with the file's name",
        arguments: [
            "", "{}", "{\"image_size\":384}", "[]",
            "{\"image_size\":0,\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}",
            "{\"image_size\":99999,\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}",
            "{\"image_size\":64,\"image_mean\":[0,0],\"image_std\":[1,1,1]}",
            "{\"image_size\":64,\"image_mean\":[0,0,2],\"image_std\":[1,1,1]}",
            "{\"image_size\":64,\"image_mean\":[0,0,0],\"image_std\":[1,0,1]}",
            "{\"image_size\":64,\"image_mean\":[0,0,0],\"image_std\":[1,1,1],\"resample\":2}",
            "{\"image_size\":64,\"image_mean\":[0,0,0],\"image_std\":[1,1,1],\"do_rescale\":false}",
            "{\"size\":{\"height\":64,\"width\":32},\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}",
        ])
    func refused(json: String) throws {
        let error = #expect(throws: ImageError.self) { try load(json) }
        #expect(error?.description.contains("janus-") == true)
    }
}

/// The generator of `make_pictures.py`.
func noise(width: Int, height: Int, seed: UInt32) -> RGBImage {
    var state = seed
    let pixels = (0..<(3 * width * height)).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
    }
    return RGBImage(width: width, height: height, pixels: pixels)
}

/// A PNG whose chunks have the checksums of what is in them, as far as they can be followed.
private func checksummed(_ file: Data) -> Data {
    var bytes = [UInt8](file)
    var start = 8
    while start + 12 <= bytes.count {
        let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        let end = start + 8 + length
        guard end + 4 <= bytes.count else { break }
        let sum = crc32(bytes[start + 4..<end])
        for place in 0..<4 { bytes[end + place] = UInt8(truncatingIfNeeded: sum >> (24 - 8 * place)) }
        start = end + 4
    }
    return Data(bytes)
}

/// Of PNG's chunks.
func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(UInt32.max) { crc, byte in
        (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
}

private func fnv1a(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
