/// PIL's bicubic resampling of 8-bit pictures, bit for bit (`Resample.c` of Pillow 13): coefficients in double
/// precision, rounded to 22 fractional bits; each pass rounded to 8 bits.
extension RGBImage {
    /// - Parameters: both at least 1. A side that stays as it is, is not filtered.
    package func resized(width newWidth: Int, height newHeight: Int) -> RGBImage {
        // Since version 13 Pillow takes the vertical pass first where more than twice as many rows go as columns;
        // before, the horizontal one was always first. The order changes the rounding.
        let rowsRemoved = height - newHeight
        let isVerticalFirst = rowsRemoved > 0 && rowsRemoved > 2 * (width - newWidth)
        return isVerticalFirst
            ? withHeight(newHeight).withWidth(newWidth) : withWidth(newWidth).withHeight(newHeight)
    }

    private func withWidth(_ newWidth: Int) -> RGBImage {
        newWidth == width ? self : filteredHorizontally(BicubicFilter(from: width, to: newWidth))
    }

    private func withHeight(_ newHeight: Int) -> RGBImage {
        newHeight == height ? self : filteredVertically(BicubicFilter(from: height, to: newHeight))
    }

    private func filteredHorizontally(_ filter: BicubicFilter) -> RGBImage {
        var result = [UInt8](repeating: 0, count: 3 * filter.targetSize * height)
        for row in 0..<height {
            let source = 3 * width * row
            var target = 3 * filter.targetSize * row
            for column in 0..<filter.targetSize {
                let first = filter.starts[column]
                var (red, green, blue) = (BicubicFilter.half, BicubicFilter.half, BicubicFilter.half)
                for (index, weight) in filter.weights(of: column).enumerated() {
                    let pixel = source + 3 * (first + index)
                    red &+= Int32(pixels[pixel]) &* weight
                    green &+= Int32(pixels[pixel + 1]) &* weight
                    blue &+= Int32(pixels[pixel + 2]) &* weight
                }
                result[target] = BicubicFilter.clip(red)
                result[target + 1] = BicubicFilter.clip(green)
                result[target + 2] = BicubicFilter.clip(blue)
                target += 3
            }
        }
        return RGBImage(width: filter.targetSize, height: height, pixels: result)
    }

    private func filteredVertically(_ filter: BicubicFilter) -> RGBImage {
        let rowBytes = 3 * width
        var result = [UInt8](repeating: 0, count: rowBytes * filter.targetSize)
        var sums = [Int32](repeating: 0, count: rowBytes)
        for row in 0..<filter.targetSize {
            for index in 0..<rowBytes { sums[index] = BicubicFilter.half }
            for (offset, weight) in filter.weights(of: row).enumerated() {
                let source = rowBytes * (filter.starts[row] + offset)
                for index in 0..<rowBytes { sums[index] &+= Int32(pixels[source + index]) &* weight }
            }
            for index in 0..<rowBytes { result[rowBytes * row + index] = BicubicFilter.clip(sums[index]) }
        }
        return RGBImage(width: width, height: filter.targetSize, pixels: result)
    }

    /// The picture in the middle of a square of one colour (offsets rounded down).
    package func paddedToSquare(background: [UInt8]) -> RGBImage {
        precondition(background.count == 3)
        guard width != height else { return self }
        let side = max(width, height)
        let (left, top) = ((side - width) / 2, (side - height) / 2)
        var result: [UInt8] = []
        result.reserveCapacity(3 * side * side)
        for _ in 0..<(side * side) { result += background }
        for row in 0..<height {
            let target = 3 * (side * (top + row) + left)
            result.replaceSubrange(
                target..<(target + 3 * width), with: pixels[(3 * width * row)..<(3 * width * (row + 1))])
        }
        return RGBImage(width: side, height: side, pixels: result)
    }
}

/// Which source pixels, with which weights, make each target pixel along one axis.
private struct BicubicFilter {
    static let fractionBits: Int32 = 22
    static let half: Int32 = 1 << (fractionBits - 1)
    private static let support = 2.0

    let targetSize: Int
    /// First source pixel of each target pixel.
    private(set) var starts: [Int] = []
    private var allWeights: [Int32] = []
    private var weightEnds: [Int] = [0]

    func weights(of target: Int) -> ArraySlice<Int32> { allWeights[weightEnds[target]..<weightEnds[target + 1]] }

    init(from size: Int, to targetSize: Int) {
        self.targetSize = targetSize
        let scale = Double(size) / Double(targetSize)
        let filterScale = max(scale, 1)
        let support = Self.support * filterScale
        let inverse = 1 / filterScale
        for target in 0..<targetSize {
            let center = (Double(target) + 0.5) * scale
            let start = max(Int(center - support + 0.5), 0)
            let end = min(Int(center + support + 0.5), size)
            var weights = (start..<end).map { Self.bicubic((Double($0) - center + 0.5) * inverse) }
            let sum = weights.reduce(0, +)
            if sum != 0 { weights = weights.map { $0 / sum } }
            starts.append(start)
            for weight in weights {
                let scaled = weight * Double(1 << Self.fractionBits)
                allWeights.append(Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5))
            }
            weightEnds.append(allWeights.count)
        }
    }

    /// Keys' kernel with a = −0.5.
    private static func bicubic(_ position: Double) -> Double {
        let a = -0.5
        let x = abs(position)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
        return 0
    }

    static func clip(_ sum: Int32) -> UInt8 { UInt8(max(0, min(255, sum >> fractionBits))) }
}
