import CJanusKernels

/// A picture as a matrix: [height · width, channels], pixel after pixel.
package struct Picture {
    package let height: Int
    package let width: Int
    package let pixels: Matrix

    package init(height: Int, width: Int, pixels: Matrix) {
        precondition(pixels.rows == height * width, "\(pixels.rows) pixels for \(height) × \(width)")
        self.height = height
        self.width = width
        self.pixels = pixels
    }

    package var channels: Int { pixels.columns }

    /// Nearest neighbour to twice the sides.
    package func upsampled() -> Picture {
        precondition(pixels.isDense, "a picture in part of a matrix")
        let out = Matrix(rows: 4 * pixels.rows, columns: channels)
        Threads.split(2 * height, grain: 8) { range in
            unsafe janus_upsample2(
                self.pixels.base, self.width, self.channels, range.lowerBound, range.count, out.base)
        }
        return Picture(height: 2 * height, width: 2 * width, pixels: out)
    }
}

/// A 3×3 convolution. In bf16 the kernels walk through the picture itself; else patches are gathered and multiplied.
package struct Convolution3x3 {
    /// How the kernel walks: over every pixel with a border of zeros, or halving the sides (a border of zeros at the right
    /// and the bottom only, as VQGAN's down-sampling has it).
    package enum Walk: Sendable {
        case same
        case halving
    }

    /// [outputs, 3 · 3 · inputs], the channel running fastest
    private let linear: Linear
    private let walk: Walk
    private let inputs: Int

    /// - Parameter linear: [outputs, 3 · 3 · inputs] with a bias, as `ordered` lays the weights out.
    package init(_ linear: Linear, walk: Walk = .same) {
        precondition(linear.inputs % 9 == 0 && linear.bias != nil, "a 3×3 kernel with a bias")
        inputs = linear.inputs / 9
        self.linear = linear
        self.walk = walk
    }

    /// The same from weights as PyTorch stores them.
    package init(weight: Matrix, bias: Matrix, walk: Walk = .same) {
        self.init(Linear(weight: Self.ordered(weight), bias: bias), walk: walk)
    }

    /// - Parameter weight: [outputs, inputs · 3 · 3] as PyTorch stores it, the kernel's column running fastest.
    /// - Returns: [outputs, 3 · 3 · inputs], the channel running fastest.
    package static func ordered(_ weight: Matrix) -> Matrix {
        precondition(weight.columns % 9 == 0, "a 3×3 kernel")
        let inputs = weight.columns / 9
        let ordered = Matrix(rows: weight.rows, columns: weight.columns)
        for output in 0..<weight.rows {
            for input in 0..<inputs {
                for place in 0..<9 { ordered[output, place * inputs + input] = weight[output, input * 9 + place] }
            }
        }
        return ordered
    }

    /// - Parameters:
    ///   - norm: applied to x first.
    ///   - doubled: x is enlarged to twice its sides, after the norm.
    ///   - residual: where given, the result is added to it (and it is what is returned).
    package func callAsFunction(
        _ x: Picture, norm: PictureNorm? = nil, doubled: Bool = false, addedTo residual: Picture? = nil,
        isa: InstructionSet = Threads.isa
    ) -> Picture {
        var run = begin(x, norm: norm, doubled: doubled, addedTo: residual, isa: isa)
        while !run.isDone { run.advance() }
        return run.result
    }

    /// The same in parts: of a few milliseconds in f32, all at once in bf16.
    package func begin(
        _ x: Picture, norm: PictureNorm? = nil, doubled: Bool = false, addedTo residual: Picture? = nil,
        isa: InstructionSet = Threads.isa
    ) -> Run {
        precondition(x.channels == inputs && x.pixels.isDense, "\(x.channels) channels for \(inputs)")
        return Run(self, x, norm: norm, doubled: doubled, addedTo: residual, isa: isa)
    }

    /// A convolution under way.
    package struct Run {
        /// Whole once `isDone`.
        package let result: Picture
        package private(set) var isDone = false
        private let convolution: Convolution3x3
        private let x: Picture
        private let norm: PictureNorm?
        private let doubled: Bool
        private let accumulates: Bool
        private let isa: InstructionSet
        /// Where patches are gathered block after block and multiplied as a matrix.
        private var patching: Patching?

        fileprivate init(
            _ convolution: Convolution3x3, _ x: Picture, norm: PictureNorm?, doubled: Bool,
            addedTo residual: Picture?, isa: InstructionSet
        ) {
            self.convolution = convolution
            self.x = x
            self.norm = norm
            self.doubled = doubled
            self.isa = isa
            accumulates = residual != nil
            let enlarged = doubled ? 2 : 1
            let height = enlarged * x.height / convolution.step
            let width = enlarged * x.width / convolution.step
            let outputs = convolution.linear.outputs
            result =
                residual
                ?? Picture(height: height, width: width, pixels: Matrix(rows: height * width, columns: outputs))
            precondition(
                result.height == height && result.width == width && result.channels == outputs,
                "a residual of other sides")
        }

        package mutating func advance() {
            if let packed = convolution.halfWeights {
                HalfPicture(x, norm: norm, doubled: doubled).convolve(
                    with: packed, bias: convolution.linear.bias, walk: convolution.walk, into: result.pixels,
                    accumulate: accumulates, isa: isa)
                isDone = true
                return
            }
            var current = patching ?? Patching(convolution, x, norm: norm, doubled: doubled)
            isDone = current.advance(convolution, into: result, accumulate: accumulates)
            patching = current
        }
    }

    /// A convolution as products of gathered patches.
    private struct Patching {
        let picture: Picture
        /// [pixels of a block, 9 · inputs]
        let patches: Matrix
        var pixelsDone = 0

        init(_ convolution: Convolution3x3, _ x: Picture, norm: PictureNorm?, doubled: Bool) {
            let normed = norm.map { $0(x) } ?? x
            picture = doubled ? normed.upsampled() : normed
            let blockRows = max(patchValuesMax / (9 * convolution.inputs), blockRowsMin)
            patches = Matrix(rows: blockRows, columns: 9 * convolution.inputs)
        }

        /// - Returns: whether that was all.
        mutating func advance(_ convolution: Convolution3x3, into result: Picture, accumulate: Bool) -> Bool {
            let pixels = pixelsDone..<min(pixelsDone + patches.rows, result.pixels.rows)
            convolution.gather(picture, width: result.width, pixels: pixels, into: patches)
            convolution.linear.apply(patches[0..<pixels.count], into: result.pixels[pixels], accumulate: accumulate)
            pixelsDone = pixels.upperBound
            return pixelsDone == result.pixels.rows
        }
    }

    /// Weights that multiply pictures in bf16 as they are; nil where patches must be gathered.
    private var halfWeights: PackedMatrix? {
        guard let packed = linear.packed, packed.layout.precision == .bf16, packed.layout.padded == 9 * inputs else {
            return nil
        }
        return packed
    }

    private var step: Int { walk == .same ? 1 : 2 }
    private var pad: Int { walk == .same ? 1 : 0 }

    private func gather(_ x: Picture, width: Int, pixels: Range<Int>, into patches: Matrix) {
        let (step, pad) = (step, pad)
        Threads.split(pixels.count, grain: 64) { range in
            unsafe janus_patches3x3(
                x.pixels.base, x.height, x.width, self.inputs, step, pad, width, pixels.lowerBound + range.lowerBound,
                range.count, patches.base + range.lowerBound * patches.stride)
        }
    }

    /// 8 MiB of patches: they stay in the cache between gathering and multiplying.
    private static let patchValuesMax = 1 << 21
    private static let blockRowsMin = 64
}
