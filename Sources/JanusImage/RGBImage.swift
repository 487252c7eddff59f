/// A picture in 8-bit RGB.
package struct RGBImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    /// [height, width, 3], top row first.
    package let pixels: [UInt8]

    /// - Parameter pixels: 3 · width · height bytes.
    package init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0 && pixels.count == 3 * width * height, "pixels of \(width)×\(height)")
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}

/// How large a picture may be; judged by its header, before any pixel is decoded.
package struct ImageLimits: Sendable, Equatable {
    /// 64 Mi: three bytes each while decoding, and about a second of it.
    package var pixelsMax = 64 << 20
    package var sidePixelsMax = 32_768

    package init() {}
}
