import Foundation
import JanusTensor
import TestSupport
import Testing

@Suite("functions of single values and of rows against f64")
struct ElementwiseTests {
    /// From tiny to far beyond f32's range of e^x, and random between.
    private static let denormal = Float(bitPattern: 71_362)
    private static let samples: [Float] = {
        var generator = SeededGenerator(9)
        let exponents = (0..<400).map { _ in Float.random(in: -30...7, using: &generator) }
        let spread = exponents.enumerated().map { ($0 % 2 == 0 ? 1 : -1) * Float(Foundation.exp2(Double($1))) }
        return spread + (-100...100).map { Float($0) / 8 } + [0, -0.0, 88.7, -87.3, -103, denormal, -denormal]
    }()

    private func check(
        _ function: (Matrix) -> Void, _ reference: (Double) -> Double, relative: Double, absolute: Double
    ) {
        let matrix = Matrix(Self.samples, rows: 1, columns: Self.samples.count)
        function(matrix)
        for (x, y) in zip(Self.samples, matrix.array()) {
            let expected = reference(Double(x))
            if Float(expected).isInfinite || expected.isNaN {
                #expect(y == Float(expected), "f(\(x)) = \(y)")
            } else {
                #expect(abs(Double(y) - expected) <= relative * abs(expected) + absolute, "f(\(x)) = \(y), \(expected)")
            }
        }
    }

    @Test("exact GELU") func gelu() {
        check({ $0.gelu() }, { 0.5 * $0 * (1 + Foundation.erf($0 * 0.5.squareRoot())) }, relative: 1e-6, absolute: 1e-6)
    }
    @Test("swish") func swish() {
        check({ $0.swish() }, { $0 / (1 + Foundation.exp(-$0)) }, relative: 1e-6, absolute: 1e-37)
    }

    @Test("NaN and infinity pass through as they should")
    func notFinite() {
        for function in [{ (x: Matrix) in x.gelu() }, { $0.swish() }] {
            let matrix = Matrix([.nan, .infinity], rows: 1, columns: 2)
            function(matrix)
            #expect(matrix[0, 0].isNaN && matrix[0, 1] == .infinity)
        }
    }

    @Test("swish(gate) · up", arguments: [(1, 1), (3, 17), (70, 1000)])
    func gate(rows: Int, columns: Int) {
        let gate = random(rows, columns, seed: 10, scale: 8)
        let up = random(rows, columns, seed: 11)
        let expected = zip(gate.array(), up.array()).map { Double($0) / (1 + Foundation.exp(-Double($0))) * Double($1) }
        for row in 0..<rows { gate.swishMultiply(by: up, row: row) }
        #expect(relativeError(gate.array(), expected) < 1e-6)
    }

    @Test("softmax of scaled and masked rows", arguments: [1, 2, 15, 16, 17, 1000, 16_384])
    func softmax(columns: Int) {
        for scale in [Float(0.125), 1, 60] {
            let x = random(3, columns, seed: 12, scale: 5)
            let counts = [columns, max(columns / 2, 1), 1]
            var expected: [Double] = []
            for row in 0..<3 {
                let values = x.row(row).prefix(counts[row]).map { Double($0 * scale) }
                let largest = values.max() ?? 0
                let powers = values.map { Foundation.exp($0 - largest) }
                let sum = powers.reduce(0, +)
                expected += powers.map { $0 / sum } + [Double](repeating: 0, count: columns - counts[row])
            }
            x.softmax(scale: scale, counts: { counts[$0] })
            #expect(relativeError(x.array(), expected) < 1e-5)
        }
    }

    @Test("a NaN in a row makes its softmax NaN: nobody draws from it unaware", arguments: [0, 5, 39])
    func softmaxNaN(place: Int) {
        let x = Matrix(rows: 1, columns: 40)
        x[0, place] = .nan
        x.softmax()
        #expect(x.array().allSatisfy { $0.isNaN })
    }

    @Test("RMSNorm and LayerNorm", arguments: [1, 7, 8, 64, 1025])
    func norms(columns: Int) {
        let x = random(5, columns, seed: 13, scale: 100)
        let weight = dense(random(1, columns, seed: 14))
        let bias = dense(random(1, columns, seed: 15))
        var rms: [Double] = []
        var layer: [Double] = []
        for row in 0..<5 {
            let values = x.row(row).map(Double.init)
            let mean = values.reduce(0, +) / Double(columns)
            let squares = values.reduce(0) { $0 + $1 * $1 } / Double(columns)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            for (column, value) in values.enumerated() {
                rms.append(value / (squares + 1e-6).squareRoot() * Double(weight[0, column]))
                layer.append(
                    (value - mean) / (variance + 1e-6).squareRoot() * Double(weight[0, column])
                        + Double(bias[0, column]))
            }
        }
        #expect(relativeError(x.rmsNorm(weight: weight, epsilon: 1e-6).array(), rms) < 1e-6)
        #expect(relativeError(x.layerNorm(weight: weight, bias: bias, epsilon: 1e-6).array(), layer) < 2e-6)
    }

    @Test("rows of length 1, a row of zeros stays zero")
    func normalizeRows() {
        let x = Matrix([3, 4, 0, 0], rows: 2, columns: 2)
        x.normalizeRows()
        #expect(x.array() == [0.6, 0.8, 0, 0])
    }

    @Test("pixels are clipped and truncated, NaN is black")
    func pixels() {
        let x = Matrix([-1, -2, 1, 7, .nan, .infinity, -.infinity, 0, 0.9999], rows: 1, columns: 9)
        #expect(x.pixelBytes() == [0, 0, 255, 255, 0, 255, 0, 127, 254])
    }

    @Test("functions without libm agree with it")
    func portable() {
        var generator = SeededGenerator(16)
        for _ in 0..<20_000 {
            let x = Double.random(in: -700...700, using: &generator)
            #expect(abs(ElementaryFunctions.exp(x) / Foundation.exp(x) - 1) < 1e-15)
            let y = Double.random(in: 0...1, using: &generator) * Foundation.exp(x / 2)
            #expect(abs(ElementaryFunctions.log(y) - Foundation.log(y)) <= 1e-15 * abs(Foundation.log(y)) + 1e-16)
            let angle = Double.random(in: -20_000...20_000, using: &generator)
            let (cosine, sine) = ElementaryFunctions.cosineAndSine(angle)
            #expect(abs(cosine - Foundation.cos(angle)) < 1e-15 && abs(sine - Foundation.sin(angle)) < 1e-15)
        }
        #expect(ElementaryFunctions.exp(0) == 1 && ElementaryFunctions.exp(-800) == 0)
        #expect(ElementaryFunctions.exp(800) == .infinity)
        #expect(ElementaryFunctions.log(1) == 0 && ElementaryFunctions.log(0) == -.infinity)
        #expect(ElementaryFunctions.log(-1).isNaN)
    }

    @Test(
        "the greatest of a row is the first of equals, wherever it lies; NaN anywhere gives none",
        arguments: [1, 15, 16, 17, 501])
    func greatest(columns: Int) {
        for place in [0, columns / 2, columns - 1] {
            let row = random(1, columns, seed: UInt64(columns))
            row[0, place] = 100
            row[0, columns - 1] = 100
            #expect(row.greatest == place)
            row[0, columns - 1 - place] = .nan
            #expect(row.greatest == nil)
        }
        #expect(Matrix([-.infinity, -.infinity], rows: 1, columns: 2).greatest == 0)
        #expect(Matrix(rows: 1, columns: 0).greatest == nil)
    }

    @Test("guidance moves away from the unconditional, in place too")
    func guidance() {
        let (conditional, unconditional) = (random(1, 37, seed: 1), random(1, 37, seed: 2))
        let expected = zip(conditional.array(), unconditional.array()).map { $1 + 5 * ($0 - $1) }
        conditional.guide(conditional: conditional, unconditional: unconditional, weight: 5)
        #expect(conditional.array() == expected)
    }
}
