import JanusTensor
import Testing

@Suite("matrix products against f64")
struct ProductTests {
    /// Row counts on both sides of the limit between our kernel and OpenBLAS.
    @Test(
        "x · wᵀ, new and added",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8, 9, 33],
        [(1, 1), (3, 5), (4, 16), (5, 17), (31, 64), (130, 129), (1, 4096), (257, 300)])
    func byTransposed(rows: Int, sides: (n: Int, k: Int)) {
        let x = random(rows, sides.k, seed: 1)
        let w = random(sides.n, sides.k, seed: 2)
        let out = random(rows, sides.n, seed: 3)
        let before = out.array().map(Double.init)
        let expected = naiveProduct(x, byTransposed: w)
        x.multiply(byTransposed: w, into: out, accumulate: true)
        #expect(relativeError(out.array(), zip(before, expected).map { $0 + $1 }) < 2e-6)
        x.multiply(byTransposed: w, into: out)
        #expect(relativeError(out.array(), expected) < 2e-6)
    }

    @Test("x · y", arguments: [(1, 1, 1), (3, 7, 5), (17, 16, 33)])
    func plain(m: Int, k: Int, n: Int) {
        let x = random(m, k, seed: 4)
        let y = random(k, n, seed: 5)
        let transposed = Matrix(rows: n, columns: k)
        for row in 0..<k { for column in 0..<n { transposed[column, row] = y[row, column] } }
        // whatever lies there counts for nothing
        let out = random(m, n, seed: 9)
        x.multiply(by: y, into: out)
        #expect(relativeError(out.array(), naiveProduct(x, byTransposed: transposed)) < 2e-6)
    }

    @Test("a linear layer with bias, new and added", arguments: [1, 8, 20])
    func linear(rows: Int) {
        let x = random(rows, 19, seed: 6)
        let weight = random(11, 19, seed: 7)
        let layer = Linear(weight: weight, bias: random(1, 11, seed: 8))
        let product = naiveProduct(x, byTransposed: weight)
        let bias = layer.bias?.array() ?? []
        let expected = product.enumerated().map { $1 + Double(bias[$0 % 11]) }
        let out = layer(x)
        #expect(relativeError(out.array(), expected) < 2e-6)
        layer.apply(x, into: out, accumulate: true)
        #expect(relativeError(out.array(), expected.map { 2 * $0 }) < 2e-6)
    }
}
