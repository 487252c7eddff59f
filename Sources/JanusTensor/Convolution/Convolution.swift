import CJanusKernels

/// A 3×3 convolution. In bf16 the kernels read the feature map itself; else patches are gathered and multiplied.
package struct Convolution3x3 {
    /// How many of the pixels there are results for.
    package enum Resampling: Sendable {
        /// Over every pixel, with a border of zeros.
        case same
        /// Halving the sides: a border of zeros at the right and the bottom only, as VQGAN's down-sampling has it.
        case downsampling
        /// Over every pixel of the feature map enlarged to twice its sides (nearest neighbour), with a border of zeros.
        case upsampling
    }

    enum Kernel {
        /// [outputs, 3 · 3 · inputs], the channel running fastest, with a bias
        case nineTaps(Linear)
        /// As `UpsamplingConvolution` lays them out; bias [1, outputs].
        case phases(PackedMatrix, bias: Matrix)
    }

    let kernel: Kernel
    let resampling: Resampling
    let inputs: Int
    let outputs: Int

    /// - Parameter linear: [outputs, 3 · 3 · inputs] with a bias, as `ordered` lays the weights out.
    package init(_ linear: Linear, resampling: Resampling = .same) {
        precondition(linear.inputs % 9 == 0 && linear.bias != nil, "a 3×3 kernel with a bias")
        kernel = .nineTaps(linear)
        inputs = linear.inputs / 9
        outputs = linear.outputs
        self.resampling = resampling
    }

    /// The same from weights as PyTorch stores them.
    package init(weight: Matrix, bias: Matrix, resampling: Resampling = .same) {
        self.init(Linear(weight: Self.ordered(weight), bias: bias), resampling: resampling)
    }

    /// A doubling one from the kernels of its phases.
    /// - Parameters:
    ///   - phases: in the layout of `UpsamplingConvolution`.
    ///   - bias: [1, outputs]
    package init(phases: PackedMatrix, bias: Matrix) {
        inputs = phases.layout.inputs / UpsamplingConvolution.taps
        outputs = bias.columns
        precondition(
            phases.layout == UpsamplingConvolution.layout(outputs: outputs, inputs: inputs), "phases of other sides")
        kernel = .phases(phases, bias: bias)
        resampling = .upsampling
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
    ///   - residual: where given, the result is added to it (and it is what is returned).
    package func callAsFunction(
        _ x: FeatureMap, norm: FeatureMapNorm? = nil, addedTo residual: FeatureMap? = nil,
        isa: InstructionSet = Threads.isa
    ) -> FeatureMap {
        var run = begin(x, norm: norm, addedTo: residual, isa: isa)
        while !run.isDone { run.advance() }
        return run.result
    }

    /// The same in parts, each of some milliseconds at real sizes.
    /// - Parameters:
    ///   - memory: where the result is to lie; nil takes its own.
    ///   - productsMax: multiplications of a part in bf16; the result does not depend on it.
    package func begin(
        _ x: FeatureMap, norm: FeatureMapNorm? = nil, addedTo residual: FeatureMap? = nil,
        memory: FeatureMapMemory? = nil,
        productsMax: Int = Self.partProductsMax, isa: InstructionSet = Threads.isa
    ) -> Run {
        precondition(x.channels == inputs && x.pixels.isDense, "\(x.channels) channels for \(inputs)")
        return Run(
            self, x, norm: norm, addedTo: residual, memory: memory ?? FeatureMapMemory(), productsMax: productsMax,
            isa: isa)
    }

    /// Ten milliseconds of two cores with AVX-512 BF16.
    package static let partProductsMax = 4 << 30

    /// Multiplications of one part of a convolution to a square picture, at most.
    /// - Parameter isPacked: in bf16; else in f32.
    package static func partProductsMax(
        side: Int, inputs: Int, outputs: Int, resampling: Resampling, isPacked: Bool
    ) -> Int {
        guard isPacked else {
            return min(ConvolutionPatches.rows(inputs: 9 * inputs), side * side) * 9 * inputs * outputs
        }
        // of what bands are made of: a row of the result, or two where its sides double
        let doubles = resampling == .upsampling
        let row =
            side * UpsamplingConvolution.filled(outputs) * inputs * (doubles ? 2 * UpsamplingConvolution.taps : 9)
        return row
            * ConvolutionBands.bandRows(
                of: doubles ? side / 2 : side, rowProducts: row, productsMax: partProductsMax)
    }
}
