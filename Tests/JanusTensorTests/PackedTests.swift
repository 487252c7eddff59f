import Foundation
import JanusJob
import JanusTensor
import Testing

@Suite("packed products")
struct PackedTests {
    static let shapes = [(1, 1, 1), (3, 5, 7), (7, 64, 128), (13, 70, 160), (49, 130, 96), (6, 64, 256), (50, 65, 33)]

    /// Values of ordinary size, over eighty binary orders of magnitude, and almost too small to be told from zero.
    enum Sizes: CaseIterable {
        case ordinary
        case extreme
        case tiny
    }

    private func values(_ rows: Int, _ columns: Int, seed: UInt64, _ sizes: Sizes) -> Matrix {
        random(rows, columns, seed: seed) {
            switch sizes {
            case .ordinary: 0
            case .extreme: Int.random(in: -20...20, using: &$0)
            case .tiny: -63 + Int.random(in: -3...0, using: &$0)
            }
        }
    }

    private func product(_ x: Matrix, _ weights: PackedMatrix, _ isa: InstructionSet) -> Matrix {
        let out = Matrix(rows: x.rows, columns: weights.layout.outputs)
        x.multiply(by: weights, into: out, isa: isa)
        return out
    }

    @Test(
        "every instruction set equals its scalar twin bit for bit",
        .enabled(if: !InstructionSet.twins.isEmpty, InstructionSet.noTwins), arguments: PackedPrecision.allCases, shapes
    )
    func twins(precision: PackedPrecision, shape: (m: Int, n: Int, k: Int)) throws {
        for sizes in Sizes.allCases {
            let x = values(shape.m, shape.k, seed: 1, sizes)
            if sizes == .extreme, shape.m > 3 {
                x[1, 0] = .infinity
                x[2, shape.k - 1] = .nan
            }
            let weights = try #require(
                PackedMatrix(values(shape.n, shape.k, seed: 2, sizes), precision: precision))
            let expected = bits(product(x, weights, .scalar))
            InstructionSet.compare(InstructionSet.twins) { isa in
                // as a variable: a failed expectation would compare both value by value
                let isSame = bits(product(x, weights, isa)) == expected
                #expect(isSame, "\(isa.name), \(sizes)")
            }
        }
    }

    @Test("results are near those of f64", arguments: [(PackedPrecision.bf16, 6e-3), (.int8, 2e-2), (.int4, 0.12)])
    func near(precision: PackedPrecision, bound: Double) throws {
        for shape in Self.shapes where shape.2 > 1 {
            let x = random(shape.0, shape.2, seed: 3)
            let w = random(shape.1, shape.2, seed: 4)
            let weights = try #require(PackedMatrix(w, precision: precision))
            let found = product(x, weights, .best).array()
            #expect(relativeError(found, naiveProduct(x, byTransposed: w)) < bound, "\(shape)")
        }
    }

    @Test("a row alone equals the row among others, added to as well", arguments: PackedPrecision.allCases)
    func invariant(precision: PackedPrecision) throws {
        let x = random(101, 192, seed: 5)
        let weights = try #require(PackedMatrix(random(200, 192, seed: 6), precision: precision))
        for isa in InstructionSet.supported {
            let together = product(x, weights, isa)
            for count in [1, 2, 5, 8, 17, 48, 49] {
                for start in [0, 52] {
                    let alone = product(x[start..<start + count], weights, isa)
                    let isSame = bits(alone) == bits(together[start..<start + count])
                    #expect(isSame, "\(count) rows, \(isa.name)")
                }
            }
        }
        let out = Matrix(rows: 101, columns: 200)
        x.multiply(by: weights, into: out)
        let once = out.array()
        x.multiply(by: weights, into: out, accumulate: true)
        #expect(out.array() == once.map { $0 + $0 })
    }

    @Test("a row with a NaN or an infinity stays its own misfortune", arguments: PackedPrecision.allCases)
    func notFinite(precision: PackedPrecision) throws {
        let x = random(4, 64, seed: 7)
        let weights = try #require(PackedMatrix(random(70, 64, seed: 8), precision: precision))
        let before = product(x, weights, .best)
        x[1, 5] = .nan
        x[2, 6] = -.infinity
        let after = product(x, weights, .best)
        for row in [0, 3] { #expect(after.row(row) == before.row(row)) }
        for row in [1, 2] { #expect(after.row(row).allSatisfy { !$0.isFinite }) }
    }

    @Test("weights that are not finite are refused", arguments: PackedPrecision.allCases, [Float.nan, .infinity])
    func refused(precision: PackedPrecision, value: Float) {
        let w = random(65, 40, seed: 9)
        w[64, 39] = value
        #expect(PackedMatrix(w, precision: precision) == nil)
    }

    @Test("int8 weights of whole steps are kept exactly")
    func exact() throws {
        let w = Matrix(rows: 3, columns: 128)
        let x = Matrix(rows: 1, columns: 128)
        for k in 0..<128 {
            for n in 0..<3 { w[n, k] = Float((k * 7 + n * 11) % 255 - 127) }
            x[0, k] = Float(k - 64)
        }
        w[0, 0] = 127
        w[1, 0] = -127
        w[2, 0] = 127
        x[0, 0] = 127
        let weights = try #require(PackedMatrix(w, precision: .int8))
        #expect(product(x, weights, .best).array().map(Double.init) == naiveProduct(x, byTransposed: w))
    }
}
