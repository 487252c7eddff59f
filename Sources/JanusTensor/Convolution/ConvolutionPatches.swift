import CJanusKernels

/// A 3×3 convolution as products of patches that are gathered block after block.
struct ConvolutionPatches {
    private let linear: Linear
    private let featureMap: FeatureMap
    private let step: Int
    private let pad: Int
    /// [pixels of a block, 9 · inputs]
    private let patches: Matrix
    private var pixelsDone = 0
    private(set) var isDone = false

    /// - Parameter linear: [outputs, 3 · 3 · inputs]
    init(_ linear: Linear, _ featureMap: FeatureMap, downsampling: Bool) {
        self.linear = linear
        self.featureMap = featureMap
        (step, pad) = downsampling ? (2, 0) : (1, 1)
        patches = Matrix(rows: Self.rows(inputs: linear.inputs), columns: linear.inputs)
    }

    /// Pixels of a block.
    static func rows(inputs: Int) -> Int { max(patchValuesMax / inputs, blockRowsMin) }

    /// Does the next block.
    mutating func advance(into result: FeatureMap, accumulate: Bool) {
        let pixels = pixelsDone..<min(pixelsDone + patches.rows, result.pixels.rows)
        gather(width: result.width, pixels: pixels)
        linear.apply(patches[0..<pixels.count], into: result.pixels[pixels], accumulate: accumulate)
        pixelsDone = pixels.upperBound
        isDone = pixelsDone == result.pixels.rows
    }

    private func gather(width: Int, pixels: Range<Int>) {
        let (featureMap, patches, step, pad) = (featureMap, patches, step, pad)
        Threads.split(pixels.count, grain: Self.grainPixels) { range in
            unsafe janus_patches3x3(
                featureMap.pixels.base, featureMap.height, featureMap.width, featureMap.channels, step, pad, width,
                pixels.lowerBound + range.lowerBound, range.count,
                patches.base + range.lowerBound * patches.stride)
        }
    }

    /// 8 MiB of patches: they stay in the cache between gathering and multiplying.
    private static let patchValuesMax = 1 << 21
    private static let blockRowsMin = 64
    private static let grainPixels = 64
}
