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
        guard let packed = linear.packed, packed.layout.precision == .bf16, packed.layout.padded == 9 * inputs else {
            let normed = norm.map { $0(x) } ?? x
            return patched(doubled ? normed.upsampled() : normed, addedTo: residual)
        }
        precondition(x.channels == inputs, "\(x.channels) channels for \(inputs)")
        let half = HalfPicture(x, norm: norm, doubled: doubled)
        let step = walk == .same ? 1 : 2
        let (height, width) = (half.height / step, half.width / step)
        let out = residual?.pixels ?? Matrix(rows: height * width, columns: linear.outputs)
        half.convolve(
            with: packed, bias: linear.bias, walk: walk, into: out, accumulate: residual != nil, isa: isa)
        return residual ?? Picture(height: height, width: width, pixels: out)
    }

    /// Patches are gathered block after block and multiplied as a matrix.
    private func patched(_ x: Picture, addedTo residual: Picture?) -> Picture {
        precondition(x.channels == inputs && x.pixels.isDense, "\(x.channels) channels for \(inputs)")
        let step = walk == .same ? 1 : 2
        let pad = walk == .same ? 1 : 0
        let height = x.height / step
        let width = x.width / step
        let out = residual?.pixels ?? Matrix(rows: height * width, columns: linear.outputs)
        precondition(out.rows == height * width && out.columns == linear.outputs, "a residual of other sides")
        let blockRows = max(Self.patchValuesMax / (9 * inputs), Self.blockRowsMin)
        let patches = Matrix(rows: min(blockRows, out.rows), columns: 9 * inputs)
        var first = 0
        while first < out.rows {
            let count = min(blockRows, out.rows - first)
            gather(x, step: step, pad: pad, width: width, pixels: first..<first + count, into: patches)
            linear.apply(patches[0..<count], into: out[first..<first + count], accumulate: residual != nil)
            first += count
        }
        return residual ?? Picture(height: height, width: width, pixels: out)
    }

    private func gather(_ x: Picture, step: Int, pad: Int, width: Int, pixels: Range<Int>, into patches: Matrix) {
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
