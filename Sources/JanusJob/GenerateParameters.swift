/// Arguments of `janus.generate`, resolved.
package struct GenerateParameters: Codable, Sendable, Equatable {
    package var prompt: String
    /// How many images to draw; image `i` draws from the generator keyed (seed, i, position).
    package var images: Int
    @DecimalString package var seed: Int64
    /// Guidance weight w of u + w·(c − u); 1 means no guidance.
    package var cfgWeight: Float
    /// Divides the logits before drawing; 0 takes the most likely token.
    package var temperature: Float
    /// Draw only from the k most likely tokens; 0 draws from all.
    package var topK: Int
    package var format: ImageFormat

    package init(
        prompt: String, images: Int, seed: Int64, cfgWeight: Float = 5, temperature: Float = 1, topK: Int = 0,
        format: ImageFormat = .png
    ) {
        self.prompt = prompt
        self.images = images
        self.seed = seed
        self.cfgWeight = cfgWeight
        self.temperature = temperature
        self.topK = topK
        self.format = format
    }

    private enum CodingKeys: String, CodingKey {
        case prompt, images, seed, temperature, format
        case cfgWeight = "cfg_weight"
        case topK = "top_k"
    }

    /// Far beyond what setting `images_max` can allow; what counts steps need not fear more.
    package static let imagesMax = 1 << 16

    /// What no model would take; nil: nothing is wrong.
    package var fault: String? {
        guard (1...Self.imagesMax).contains(images) else {
            return "images is \(images), must be at least 1 and at most \(Self.imagesMax)"
        }
        guard cfgWeight.isFinite else { return "cfg_weight is \(cfgWeight), must be finite" }
        guard temperature.isFinite, temperature >= 0 else {
            return "temperature is \(temperature), must be finite and not negative"
        }
        guard topK >= 0 else { return "top_k is \(topK), must not be negative" }
        return nil
    }
}

/// Encodings of a drawn image.
package enum ImageFormat: String, Codable, Sendable, CaseIterable {
    case png
    case jpeg
    case webp

    package var mediaType: String { "image/\(rawValue)" }
    /// Without a dot.
    package var fileExtension: String { self == .jpeg ? "jpg" : rawValue }
}
