package import Foundation

/// Makes the understanding encoder's input from a picture, as the official processor does.
package struct ImagePreprocessor: Sendable, Equatable {
    /// Side of the square that the encoder sees, in pixels.
    package let imageSize: Int
    /// The shorter side is not made shorter than this.
    let minSize: Int
    /// The padding's colour: int(mean · 255).
    let background: [UInt8]
    /// Encoder input for each 8-bit value of each channel.
    private let values: [[Float]]

    static let imageSizeMax = 4096

    /// Reads `preprocessor_config.json` (either layout's).
    /// - Throws: `configuration` naming the file and what is missing or cannot be followed.
    package init(path: String, contents: Data? = nil) throws(ImageError) {
        let config: PreprocessorFile
        do {
            config = try JSONDecoder().decode(
                PreprocessorFile.self, from: contents ?? Data(contentsOf: URL(filePath: path)))
        } catch let error as DecodingError {
            throw .configuration(path: path, reason: "it is not a preprocessor's configuration: \(error)")
        } catch {
            throw .configuration(path: path, reason: "it cannot be read: \(error.localizedDescription)")
        }
        if let reason = config.refusal { throw .configuration(path: path, reason: reason) }
        guard let imageSize = config.size?.side ?? config.imageSize, (1...Self.imageSizeMax).contains(imageSize) else {
            throw .configuration(path: path, reason: "size or image_size is missing or outside 1…\(Self.imageSizeMax)")
        }
        self.imageSize = imageSize
        minSize = min(max(config.minSize ?? 14, 1), imageSize)
        background = config.imageMean.map { UInt8($0 * 255) }
        values = (0..<3).map { channel in
            (0..<256).map { value in
                // In f32 from here on, as NumPy does it.
                let scaled = Float(Double(value) * (config.rescaleFactor ?? 1.0 / 255))
                guard config.doNormalize ?? true else { return scaled }
                return (scaled - Float(config.imageMean[channel])) / Float(config.imageStd[channel])
            }
        }
    }

    /// Longest side to `imageSize`, the other in proportion and truncated, on a square.
    package func resized(_ image: RGBImage) -> RGBImage {
        let longest = Double(max(image.width, image.height))
        // This order of operations is the official one and decides which side a quotient falls on.
        func side(_ pixels: Int) -> Int { max(Int(Double(pixels) / longest * Double(imageSize)), minSize) }
        return image.resized(width: side(image.width), height: side(image.height)).paddedToSquare(
            background: background)
    }

    /// Encoder input [S, S, 3] of a picture that `resized` returned.
    package func normalized(_ image: RGBImage) -> [Float] {
        precondition(image.width == imageSize && image.height == imageSize, "an image of the encoder's size")
        var channel = -1
        return image.pixels.map { value in
            channel = channel == 2 ? 0 : channel + 1
            return values[channel][Int(value)]
        }
    }
}

private struct PreprocessorFile: Decodable {
    var size: Size?
    var imageSize: Int?
    var minSize: Int?
    var imageMean: [Double]
    var imageStd: [Double]
    var rescaleFactor: Double?
    var doResize: Bool?
    var doRescale: Bool?
    var doNormalize: Bool?
    var resample: Int?

    enum CodingKeys: String, CodingKey {
        case size, resample
        case imageSize = "image_size"
        case minSize = "min_size"
        case imageMean = "image_mean"
        case imageStd = "image_std"
        case rescaleFactor = "rescale_factor"
        case doResize = "do_resize"
        case doRescale = "do_rescale"
        case doNormalize = "do_normalize"
    }

    /// transformers writes two equal sides; a bare number is an older form.
    struct Size: Decodable {
        var side: Int

        init(from decoder: any Decoder) throws {
            struct Sides: Decodable {
                var height: Int
                var width: Int
            }
            do {
                side = try decoder.singleValueContainer().decode(Int.self)
            } catch DecodingError.typeMismatch {
                let sides = try Sides(from: decoder)
                guard sides.height == sides.width else {
                    throw DecodingError.dataCorrupted(
                        .init(codingPath: decoder.codingPath, debugDescription: "height and width differ"))
                }
                side = sides.height
            }
        }
    }

    /// What asks for another input than this program makes.
    var refusal: String? {
        let bicubic = 3
        if doResize == false { return "do_resize false is not supported" }
        if doRescale == false { return "do_rescale false is not supported" }
        if let resample, resample != bicubic { return "resample \(resample) is not supported, only 3 (bicubic)" }
        guard imageMean.count == 3, imageMean.allSatisfy({ (0...1).contains($0) }) else {
            return "image_mean must be three numbers from 0 to 1"
        }
        guard imageStd.count == 3, imageStd.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            return "image_std must be three positive numbers"
        }
        guard rescaleFactor?.isFinite != false else { return "rescale_factor must be finite" }
        return nil
    }
}
