import CJanusKernels
import JanusJob

extension Convolution3x3 {
    /// A convolution under way.
    package struct Run {
        /// Whole once `isDone`.
        package let result: FeatureMap
        package private(set) var isDone = false
        private let convolution: Convolution3x3
        private let x: FeatureMap
        private let norm: FeatureMapNorm?
        private let accumulates: Bool
        private let productsMax: Int
        private let isa: InstructionSet

        private var course = Course.notBegun

        /// notBegun → bands or patches
        private enum Course {
            case notBegun
            case bands(ConvolutionBands)
            case patches(ConvolutionPatches)
        }

        init(
            _ convolution: Convolution3x3, _ x: FeatureMap, norm: FeatureMapNorm?, addedTo residual: FeatureMap?,
            memory: FeatureMapMemory, productsMax: Int, isa: InstructionSet
        ) {
            self.convolution = convolution
            self.x = x
            self.norm = norm
            self.productsMax = productsMax
            self.isa = isa
            accumulates = residual != nil
            let (height, width) =
                switch convolution.resampling {
                case .same: (x.height, x.width)
                case .downsampling: (x.height / 2, x.width / 2)
                case .upsampling: (2 * x.height, 2 * x.width)
                }
            result =
                residual
                ?? FeatureMap(
                    height: height, width: width,
                    pixels: memory.matrix(rows: height * width, columns: convolution.outputs))
            precondition(
                result.height == height && result.width == width && result.channels == convolution.outputs,
                "a residual of other sides")
        }

        /// Does the next part.
        package mutating func advance() {
            switch course {
            case .notBegun: course = begun()
            case .bands(var bands):
                bands.advance()
                isDone = bands.isDone
                course = .bands(bands)
            case .patches(var patches):
                patches.advance(into: result, accumulate: accumulates)
                isDone = patches.isDone
                course = .patches(patches)
            }
        }

        /// The first part: what the norm needs of the whole feature map.
        private func begun() -> Course {
            switch convolution.kernel {
            case .phases(let weights, let bias): return .bands(bands(weights, bias))
            case .nineTaps(let linear):
                if let weights = linear.packed, weights.layout.precision == .bf16,
                    convolution.resampling != .upsampling,
                    UpsamplingConvolution.suit(channels: convolution.inputs)
                {
                    return .bands(bands(weights, linear.bias))
                }
                let normed = norm.map { $0(x) } ?? x
                let featureMap = convolution.resampling == .upsampling ? normed.upsampled() : normed
                return .patches(
                    ConvolutionPatches(linear, featureMap, downsampling: convolution.resampling == .downsampling))
            }
        }

        private func bands(_ weights: PackedMatrix, _ bias: Matrix?) -> ConvolutionBands {
            ConvolutionBands(
                weights, bias: bias, resampling: convolution.resampling, x,
                affine: norm.map { ($0.affine(of: x), $0.swish) },
                into: result,
                accumulate: accumulates, productsMax: productsMax, isa: isa)
        }
    }
}
