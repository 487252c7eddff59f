import JanusJob
import JanusTensor
import Testing

@Suite("3×3 convolutions in bf16")
struct PackedConvolutionTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        var height: Int
        var width: Int
        var inputs: Int
        var outputs: Int

        var testDescription: String { "\(height) × \(width) × \(inputs) → \(outputs)" }
    }

    static let shapes = [
        Shape(height: 1, width: 1, inputs: 32, outputs: 1), Shape(height: 5, width: 7, inputs: 64, outputs: 70),
        Shape(height: 4, width: 100, inputs: 32, outputs: 3), Shape(height: 9, width: 50, inputs: 128, outputs: 130),
        Shape(height: 3, width: 49, inputs: 160, outputs: 64),
    ]

    /// Rows as the kernels see them, by the definition.
    private func patches(_ x: FeatureMap, step: Int, pad: Int) -> Matrix {
        let (height, width) = (x.height / step, x.width / step)
        let out = Matrix(rows: height * width, columns: 9 * x.channels)
        for pixel in 0..<height * width {
            for place in 0..<9 {
                let row = pixel / width * step + place / 3 - pad
                let column = pixel % width * step + place % 3 - pad
                guard row >= 0, row < x.height, column >= 0, column < x.width else { continue }
                for channel in 0..<x.channels {
                    out[pixel, place * x.channels + channel] = x.pixels[row * x.width + column, channel]
                }
            }
        }
        return out
    }

    @Test("equal the product of patches bit for bit, with every instruction set", arguments: shapes)
    func twins(shape: Shape) throws {
        let pixels = dense(random(shape.height * shape.width, shape.inputs, seed: 40))
        if pixels.rows > 3 {
            pixels[2, 5] = .nan
            pixels[3, 1] = .leastNonzeroMagnitude
        }
        let x = FeatureMap(height: shape.height, width: shape.width, pixels: pixels)
        let packed = try #require(
            PackedMatrix(random(shape.outputs, 9 * shape.inputs, seed: 41), precision: .bf16))
        let linear = Linear(packed: packed, bias: dense(random(1, shape.outputs, seed: 42)))
        for resampling in [Convolution3x3.Resampling.same, .downsampling] {
            let step = resampling == .same ? 1 : 2
            guard shape.height >= step, shape.width >= step else { continue }
            let expected = linear(patches(x, step: step, pad: resampling == .same ? 1 : 0))
            let convolution = Convolution3x3(linear, resampling: resampling)
            InstructionSet.compare(InstructionSet.supported) { isa in
                // as a variable: a failed expectation would compare both value by value
                let isSame = bits(convolution(x, isa: isa).pixels) == bits(expected)
                #expect(isSame, "\(isa.name), \(resampling)")
                let residual = FeatureMap(
                    height: shape.height / step, width: shape.width / step,
                    pixels: dense(random(expected.rows, shape.outputs, seed: 43)))
                let sum = Matrix(rows: expected.rows, columns: shape.outputs)
                sum.copy(from: residual.pixels)
                linear.apply(patches(x, step: step, pad: resampling == .same ? 1 : 0), into: sum, accumulate: true)
                let isSumSame = bits(convolution(x, addedTo: residual, isa: isa).pixels) == bits(sum)
                #expect(isSumSame, "\(isa.name), added")
            }
        }
    }

    @Test("a norm and the doubling on the way in change nothing else", arguments: [true, false])
    func normed(swish: Bool) throws {
        let x = FeatureMap(height: 6, width: 10, pixels: dense(random(60, 64, seed: 44, scale: 3)))
        let norm = FeatureMapNorm(
            weight: dense(random(1, 64, seed: 45)), bias: dense(random(1, 64, seed: 46)), groups: 32, epsilon: 1e-6,
            swish: swish)
        let packed = try #require(PackedMatrix(random(20, 9 * 64, seed: 47), precision: .bf16))
        let convolution = Convolution3x3(Linear(packed: packed, bias: dense(random(1, 20, seed: 48))))
        #expect(bits(convolution(x, norm: norm).pixels) == bits(convolution(norm(x)).pixels))
    }

    /// What the parts do cannot be seen in the result, whether they are rows or all at once.
    @Test("parts of any size: the same bits", arguments: [Convolution3x3.Resampling.same, .downsampling, .upsampling])
    func parts(resampling: Convolution3x3.Resampling) throws {
        let x = FeatureMap(height: 14, width: 18, pixels: dense(random(252, 64, seed: 52, scale: 3)))
        let norm = FeatureMapNorm(
            weight: dense(random(1, 64, seed: 53)), bias: dense(random(1, 64, seed: 54)), groups: 32, epsilon: 1e-6,
            swish: true)
        let weights = random(20, 9 * 64, seed: 55)
        let bias = dense(random(1, 20, seed: 56))
        let convolution =
            resampling == .upsampling
            ? Convolution3x3(
                phases: try #require(PackedMatrix(UpsamplingConvolution.kernels(of: weights), precision: .bf16)),
                bias: bias)
            : Convolution3x3(
                Linear(packed: try #require(PackedMatrix(weights, precision: .bf16)), bias: bias),
                resampling: resampling)
        let whole = bits(convolution(x, norm: norm).pixels)
        for productsMax in [1, 1 << 20, 3 << 20] {
            var run = convolution.begin(x, norm: norm, productsMax: productsMax)
            var parts = 0
            while !run.isDone {
                run.advance()
                parts += 1
                // another's work between two parts takes the same scratch memory
                _ = convolution(x)
            }
            // the norm's, and one a row where parts are that small
            #expect(productsMax > 1 ? parts >= 2 : parts == (resampling == .downsampling ? 8 : 15))
            let isSame = bits(run.result.pixels) == whole
            #expect(isSame, "\(productsMax)")
        }
    }

    /// Rows of one phase as the kernels see them, by the definition: two rows and columns of the small feature map.
    private func patches(_ x: FeatureMap, phase: Int) -> Matrix {
        let out = Matrix(rows: x.height * x.width, columns: 4 * x.channels)
        for pixel in 0..<x.height * x.width {
            for tap in 0..<4 {
                let row = pixel / x.width + phase / 2 + tap / 2 - 1
                let column = pixel % x.width + phase % 2 + tap % 2 - 1
                guard row >= 0, row < x.height, column >= 0, column < x.width else { continue }
                for channel in 0..<x.channels {
                    out[pixel, tap * x.channels + channel] = x.pixels[row * x.width + column, channel]
                }
            }
        }
        return out
    }

    @Test("a doubling one equals four products of patches bit for bit", arguments: shapes)
    func phases(shape: Shape) throws {
        let x = FeatureMap(
            height: shape.height, width: shape.width,
            pixels: dense(random(shape.height * shape.width, shape.inputs, seed: 57)))
        let kernels = UpsamplingConvolution.kernels(of: random(shape.outputs, 9 * shape.inputs, seed: 58))
        let bias = dense(random(1, shape.outputs, seed: 59))
        let packed = try #require(PackedMatrix(kernels, precision: .bf16))
        let expected = Matrix(rows: 4 * x.pixels.rows, columns: shape.outputs)
        for phase in 0..<4 {
            let own = kernels.rows / 4 * phase
            let linear = Linear(
                packed: try #require(PackedMatrix(kernels[own..<own + shape.outputs], precision: .bf16)), bias: bias)
            let values = linear(patches(x, phase: phase))
            for pixel in 0..<values.rows {
                let (row, column) = pixel.quotientAndRemainder(dividingBy: shape.width)
                let place = (2 * row + phase / 2) * 2 * shape.width + 2 * column + phase % 2
                expected[place..<place + 1].copy(from: values[pixel..<pixel + 1])
            }
        }
        for isa in InstructionSet.supported {
            let found = Convolution3x3(phases: packed, bias: bias)(x, isa: isa)
            #expect(found.height == 2 * x.height && found.width == 2 * x.width)
            let isSame = bits(found.pixels) == bits(expected)
            #expect(isSame, "\(isa.name)")
        }
    }

    @Test("an upsampling one is the 3×3 convolution of the enlarged feature map, but for rounding", arguments: shapes)
    func doubling(shape: Shape) throws {
        let x = FeatureMap(
            height: shape.height, width: shape.width,
            pixels: dense(random(shape.height * shape.width, shape.inputs, seed: 60)))
        let weights = random(shape.outputs, 9 * shape.inputs, seed: 61)
        let bias = dense(random(1, shape.outputs, seed: 62))
        let exact = Convolution3x3(Linear(weight: weights, bias: bias))(x.upsampled())
        let doubled = Convolution3x3(Linear(weight: weights, bias: bias), resampling: .upsampling)(x)
        #expect(relativeError(doubled.pixels.array(), exact.pixels.array().map(Double.init)) < 1e-6)
        let packed = try #require(PackedMatrix(UpsamplingConvolution.kernels(of: weights), precision: .bf16))
        let phased = Convolution3x3(phases: packed, bias: bias)(x)
        #expect(relativeError(phased.pixels.array(), exact.pixels.array().map(Double.init)) < 0.02)
    }

    @Test("memory of a feature map is used again once nobody holds it")
    func memory() {
        let memory = FeatureMapMemory()
        let first = memory.matrix(rows: 2, columns: 3)
        first[0, 0] = 7
        let second = memory.matrix(rows: 2, columns: 3)
        #expect(second[0, 0] == 0)
        second[1, 2] = 8
        func dropped() -> Float {
            let third = memory.matrix(rows: 3, columns: 2)
            third[2, 1] = 9
            return third[2, 1]
        }
        #expect(dropped() == 9)
        #expect(memory.matrix(rows: 2, columns: 3)[1, 2] == 9)
        #expect(first[0, 0] == 7 && second[1, 2] == 8)
    }

    @Test("one thread or two: the same bits")
    func threads() throws {
        let x = FeatureMap(height: 20, width: 33, pixels: dense(random(660, 32, seed: 49)))
        let packed = try #require(PackedMatrix(random(65, 9 * 32, seed: 50), precision: .bf16))
        let convolution = Convolution3x3(Linear(packed: packed, bias: dense(random(1, 65, seed: 51))))
        let before = Threads.count
        let kernels = UpsamplingConvolution.kernels(of: random(65, 9 * 32, seed: 63))
        let doubling = Convolution3x3(
            phases: try #require(PackedMatrix(kernels, precision: .bf16)), bias: dense(random(1, 65, seed: 64)))
        let results = [1, 2].map { count in
            Threads.configure(count)
            return [bits(convolution(x).pixels), bits(doubling(x).pixels)]
        }
        Threads.configure(before)
        #expect(results[1] == results[0])
    }
}
