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
    private func patches(_ x: Picture, step: Int, pad: Int) -> Matrix {
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
        let x = Picture(height: shape.height, width: shape.width, pixels: pixels)
        let packed = try #require(
            PackedMatrix(random(shape.outputs, 9 * shape.inputs, seed: 41), precision: .bf16))
        let linear = Linear(packed: packed, bias: dense(random(1, shape.outputs, seed: 42)))
        for walk in [Convolution3x3.Walk.same, .halving] {
            let step = walk == .same ? 1 : 2
            guard shape.height >= step, shape.width >= step else { continue }
            let expected = linear(patches(x, step: step, pad: walk == .same ? 1 : 0))
            let convolution = Convolution3x3(linear, walk: walk)
            for isa in InstructionSet.allCases where isa.isSupported {
                #expect(bits(convolution(x, isa: isa).pixels) == bits(expected), "\(isa.name), \(walk)")
                let residual = Picture(
                    height: shape.height / step, width: shape.width / step,
                    pixels: dense(random(expected.rows, shape.outputs, seed: 43)))
                let sum = Matrix(rows: expected.rows, columns: shape.outputs)
                sum.copy(from: residual.pixels)
                linear.apply(patches(x, step: step, pad: walk == .same ? 1 : 0), into: sum, accumulate: true)
                #expect(bits(convolution(x, addedTo: residual, isa: isa).pixels) == bits(sum), "\(isa.name), added")
            }
        }
    }

    @Test("a norm and the doubling on the way in change nothing else", arguments: [true, false])
    func normed(swish: Bool) throws {
        let x = Picture(height: 6, width: 10, pixels: dense(random(60, 64, seed: 44, scale: 3)))
        let norm = PictureNorm(
            weight: dense(random(1, 64, seed: 45)), bias: dense(random(1, 64, seed: 46)), groups: 32, epsilon: 1e-6,
            swish: swish)
        let packed = try #require(PackedMatrix(random(20, 9 * 64, seed: 47), precision: .bf16))
        let convolution = Convolution3x3(Linear(packed: packed, bias: dense(random(1, 20, seed: 48))))
        #expect(bits(convolution(x, norm: norm).pixels) == bits(convolution(norm(x)).pixels))
        #expect(bits(convolution(x, doubled: true).pixels) == bits(convolution(x.upsampled()).pixels))
        #expect(
            bits(convolution(x, norm: norm, doubled: true).pixels) == bits(convolution(norm(x).upsampled()).pixels))
    }

    @Test("one thread or two: the same bits")
    func threads() throws {
        let x = Picture(height: 20, width: 33, pixels: dense(random(660, 32, seed: 49)))
        let packed = try #require(PackedMatrix(random(65, 9 * 32, seed: 50), precision: .bf16))
        let convolution = Convolution3x3(Linear(packed: packed, bias: dense(random(1, 65, seed: 51))))
        let before = Threads.count
        let results = [1, 2].map { count in
            Threads.configure(count)
            return bits(convolution(x).pixels)
        }
        Threads.configure(before)
        #expect(results[1] == results[0])
    }
}
