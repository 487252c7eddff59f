import CJanusKernels

/// A convolution in bf16, band after band of the feature map's rows. A band is normalised, rounded and multiplied in one part,
/// so it lies in the thread's scratch memory and is still in the cache when the kernels come.
///
/// Each output pixel is what its patch gets as a row of a packed product, in whatever bands: rows at a band's edges are
/// normalised again for the next one.
struct ConvolutionBands {
    private let weights: PackedMatrix
    private let bias: Matrix?
    private let resampling: Convolution3x3.Resampling
    private let x: FeatureMap
    private let affine: (channels: ChannelAffine, swish: Bool)?
    private let result: FeatureMap
    private let accumulates: Bool
    private let isa: InstructionSet
    /// Of the result; where it doubles, of x.
    private let height: Int
    private let bandRows: Int
    /// Of one of those rows.
    private let rowProducts: Int
    private var rowsDone = 0

    /// - Parameter productsMax: of a band.
    init(
        _ weights: PackedMatrix, bias: Matrix?, resampling: Convolution3x3.Resampling, _ x: FeatureMap,
        affine: (channels: ChannelAffine, swish: Bool)?, into result: FeatureMap, accumulate: Bool, productsMax: Int,
        isa: InstructionSet
    ) {
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        self.weights = weights
        self.bias = bias
        self.resampling = resampling
        self.x = x
        self.affine = affine
        self.result = result
        self.isa = isa
        accumulates = accumulate
        height = resampling == .upsampling ? x.height : result.height
        // few outputs cost what a panel does
        let outputs = UpsamplingConvolution.filled(result.channels)
        rowProducts = max(result.pixels.rows / max(height, 1) * outputs * weights.layout.inputs, 1)
        bandRows = Self.bandRows(of: height, rowProducts: rowProducts, productsMax: productsMax)
    }

    /// How many rows a band has at most: one, or as many as `productsMax` allows, in bands as even as they can be.
    static func bandRows(of height: Int, rowProducts: Int, productsMax: Int) -> Int {
        let rowsMax = max(productsMax / rowProducts, 1)
        let bands = (height + rowsMax - 1) / rowsMax
        return max((height + bands - 1) / max(bands, 1), 1)
    }

    var isDone: Bool { rowsDone == height }

    /// Does the next band.
    mutating func advance() {
        let rows = rowsDone..<min(rowsDone + bandRows, height)
        rowsDone = rows.upperBound
        switch resampling {
        case .same: convolve(rows, border: rows.lowerBound..<rows.upperBound + 2, step: 1)
        case .downsampling: convolve(rows, border: 2 * rows.lowerBound + 1..<2 * rows.upperBound + 2, step: 2)
        case .upsampling: convolve(rows, border: rows.lowerBound..<rows.upperBound + 2, step: 1)
        }
    }

    /// - Parameter border: the rows that the kernels see, of the feature map with its border.
    private func convolve(_ rows: Range<Int>, border: Range<Int>, step: Int) {
        guard !rows.isEmpty else { return }
        MultiplyAdds.count(rows.count * rowProducts)
        let line = (x.width + 2) * x.channels
        let band = unsafe Scratch.featureMap.memory(bytes: border.count * line * MemoryLayout<UInt16>.stride)
            .assumingMemoryBound(to: UInt16.self)
        let (x, affine) = (x, affine)
        Threads.split(border.count, grain: max(1, Self.grainValues / line)) { range in
            unsafe janus_feature_map_fill(
                x.pixels.base, affine?.channels.centre.base, affine?.channels.scale.base, affine?.channels.shift.base,
                affine?.swish == true ? 1 : 0, x.height, x.width, x.channels, border.lowerBound + range.lowerBound,
                range.count, band + range.lowerBound * line)
        }
        let phases = resampling == .upsampling ? UpsamplingConvolution.count : 1
        let panels = weights.layout.panels / phases
        let chunks = min(rows.count, max(1, Self.itemsMin / (panels * phases)))
        // Panels are outermost: a thread keeps one panel's weights in its cache.
        Threads.split(phases * panels * chunks, grain: 1) { range in
            for item in range {
                let (place, chunk) = item.quotientAndRemainder(dividingBy: chunks)
                let (phase, panel) = place.quotientAndRemainder(dividingBy: panels)
                let own = rows.count * chunk / chunks..<rows.count * (chunk + 1) / chunks
                unsafe self.multiply(band, rows: own, of: rows, phase: phase, panel: panel, step: step)
            }
        }
    }

    /// One panel of outputs of one phase (0 where there is but one).
    /// - Parameter rows: counted from the band's first.
    @unsafe private func multiply(
        _ band: UnsafePointer<UInt16>, rows: Range<Int>, of all: Range<Int>, phase: Int, panel: Int, step: Int
    ) {
        let spread = resampling == .upsampling ? 2 : 1
        let width = result.width / spread
        var featureMap = janus_feature_map(
            width: x.width, channels: x.channels, out_width: width, taps: spread == 2 ? 2 : 3, step: step,
            row_origin: phase / 2, column_origin: resampling == .downsampling ? 1 : phase % 2, out_step: spread)
        var packed = unsafe weights.c
        let panels = weights.layout.panels / (spread * spread)
        unsafe packed.values +=
            phase * panels * PackedLayout.panelOutputs * weights.layout.padded
            * MemoryLayout<UInt16>.stride
        unsafe packed.outputs = result.channels
        let first = all.lowerBound * spread * result.width + phase / 2 * result.width + phase % 2
        let out = result.pixels
        unsafe withUnsafePointer(to: &featureMap) { featureMap in
            var activations = unsafe janus_activations(
                values: band, scales: nil, starts: nil, rows: all.count * width, inputs: weights.layout.padded,
                feature_map: featureMap)
            unsafe janus_packed_product(
                Int32(isa.rawValue), &packed, &activations, panel, rows.lowerBound * width, rows.count * width,
                bias?.base, out.base + first * out.stride, out.stride, accumulates ? 1 : 0)
        }
    }

    /// Enough items for every thread, where there are few panels.
    private static let itemsMin = 64
    private static let grainValues = 1 << 15
}
