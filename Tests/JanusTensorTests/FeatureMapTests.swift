import Foundation
import JanusTensor
import Testing

@Suite("convolutions, GroupNorm and attention against f64")
struct FeatureMapTests {
    private func naive(_ x: FeatureMap, _ weight: Matrix, _ bias: Matrix, step: Int, pad: Int) -> [Double] {
        var out: [Double] = []
        for row in 0..<x.height / step {
            for column in 0..<x.width / step {
                for output in 0..<weight.rows {
                    var sum = Double(bias[0, output])
                    for place in 0..<9 {
                        let y = row * step + place / 3 - pad
                        let z = column * step + place % 3 - pad
                        guard y >= 0, y < x.height, z >= 0, z < x.width else { continue }
                        for input in 0..<x.channels {
                            sum += Double(x.pixels[y * x.width + z, input]) * Double(weight[output, input * 9 + place])
                        }
                    }
                    out.append(sum)
                }
            }
        }
        return out
    }

    @Test(
        "3×3 convolution over every pixel and halving",
        arguments: [(1, 1, 1, 1), (2, 3, 3, 5), (7, 5, 4, 2), (16, 10, 32, 3), (64, 70, 8, 16)])
    func convolution(height: Int, width: Int, inputs: Int, outputs: Int) {
        let x = FeatureMap(
            height: height, width: width, pixels: dense(random(height * width, inputs, seed: 20)))
        let weight = dense(random(outputs, inputs * 9, seed: 21))
        let bias = dense(random(1, outputs, seed: 22))
        let same = Convolution3x3(weight: weight, bias: bias)
        let expected = naive(x, weight, bias, step: 1, pad: 1)
        let found = same(x)
        #expect(found.height == height && found.width == width)
        #expect(relativeError(found.pixels.array(), expected) < 2e-6)
        let added = same(x, addedTo: found)
        #expect(relativeError(added.pixels.array(), expected.map { 2 * $0 }) < 2e-6)
        if height > 1, width > 1 {
            let half = Convolution3x3(weight: weight, bias: bias, resampling: .downsampling)(x)
            #expect(half.height == height / 2 && half.width == width / 2)
            #expect(relativeError(half.pixels.array(), naive(x, weight, bias, step: 2, pad: 0)) < 2e-6)
        }
    }

    @Test("nearest neighbour to twice the sides")
    func upsample() {
        let x = FeatureMap(height: 2, width: 3, pixels: Matrix((0..<12).map(Float.init), rows: 6, columns: 2))
        let y = x.upsampled()
        #expect(y.height == 4 && y.width == 6)
        for row in 0..<4 {
            for column in 0..<6 {
                #expect(y.pixels.row(row * 6 + column) == x.pixels.row(row / 2 * 3 + column / 2))
            }
        }
    }

    /// More pixels than one block of sums; an offset that would cancel in f32 sums.
    @Test("GroupNorm with and without swish", arguments: [(1, 32), (37, 64), (2500, 96)])
    func groupNorm(pixels: Int, channels: Int) {
        let x = dense(random(pixels, channels, seed: 23))
        for row in 0..<pixels { for channel in 0..<channels { x[row, channel] += 50 } }
        let weight = dense(random(1, channels, seed: 24))
        let bias = dense(random(1, channels, seed: 25))
        let size = channels / 32
        var expected = [Double](repeating: 0, count: pixels * channels)
        for group in 0..<32 {
            let values = (0..<pixels).flatMap { row in (0..<size).map { Double(x[row, group * size + $0]) } }
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            for (index, value) in values.enumerated() {
                let channel = group * size + index % size
                expected[index / size * channels + channel] =
                    (value - mean) / (variance + 1e-6).squareRoot() * Double(weight[0, channel])
                    + Double(bias[0, channel])
            }
        }
        let plain = x.groupNorm(groups: 32, weight: weight, bias: bias, epsilon: 1e-6, swish: false)
        #expect(relativeError(plain.array(), expected) < 2e-5)
        let swish = x.groupNorm(groups: 32, weight: weight, bias: bias, epsilon: 1e-6, swish: true)
        #expect(relativeError(swish.array(), expected.map { $0 / (1 + Foundation.exp(-$0)) }) < 2e-5)
    }

    private func naiveAttention(
        _ queries: Matrix, _ keys: Matrix, _ values: Matrix, heads: Int, keyHeads: Int, seen: (Int) -> Int
    ) -> [Double] {
        let size = queries.columns / heads
        var out = [Double](repeating: 0, count: queries.count)
        for row in 0..<queries.rows {
            for head in 0..<heads {
                let base = head / (heads / keyHeads) * size
                let scores = (0..<seen(row)).map { position in
                    (0..<size).reduce(0.0) {
                        $0 + Double(queries[row, head * size + $1]) * Double(keys[position, base + $1])
                    } / Double(size).squareRoot()
                }
                let largest = scores.max() ?? 0
                let powers = scores.map { Foundation.exp($0 - largest) }
                let sum = powers.reduce(0, +)
                for lane in 0..<size {
                    out[row * queries.columns + head * size + lane] = powers.enumerated().reduce(0) {
                        $0 + $1.element / sum * Double(values[$1.offset, base + lane])
                    }
                }
            }
        }
        return out
    }

    @Test(
        "attention of many queries, causal and not, with shared keys",
        arguments: [(1, 1, 2, 1, 1), (5, 9, 10, 4, 2), (20, 20, 64, 2, 2), (17, 40, 33, 6, 3)])
    func attention(queries: Int, positions: Int, size: Int, heads: Int, keyHeads: Int) {
        let q = random(queries, heads * size, seed: 26, scale: 2)
        let k = random(positions, keyHeads * size, seed: 27, scale: 2)
        let v = random(positions, keyHeads * size, seed: 28)
        for causal in [true, false] {
            let out = random(queries, heads * size, seed: 29)
            Attention.attend(
                queries: q, keys: k, values: v, heads: heads, keyHeads: keyHeads, causal: causal, into: out)
            let expected = naiveAttention(q, k, v, heads: heads, keyHeads: keyHeads) {
                causal ? positions - queries + $0 + 1 : positions
            }
            #expect(relativeError(out.array(), expected) < 1e-5)
        }
    }

    @Test("attention of one query for each sequence", arguments: [(2, 1, 1), (16, 4, 2), (64, 2, 2), (130, 3, 1)])
    func singleAttention(size: Int, heads: Int, keyHeads: Int) {
        let lengths = [1, 7, 300]
        let q = random(3, heads * size, seed: 30, scale: 2)
        let keys = lengths.map { random($0, keyHeads * size, seed: 31, scale: 2) }
        let values = lengths.map { random($0, keyHeads * size, seed: 32) }
        let out = Matrix(rows: 3, columns: heads * size)
        Attention.attendSingle(queries: q, keys: keys, values: values, heads: heads, keyHeads: keyHeads, into: out)
        for row in 0..<3 {
            let expected = naiveAttention(
                q[row..<row + 1], keys[row], values[row], heads: heads, keyHeads: keyHeads
            ) { _ in lengths[row] }
            #expect(relativeError(out.row(row), expected) < 1e-5)
        }
    }

    @Test("rotate-half turns the pairs (i, i + size/2) of each head by its position's angle")
    func rotation() {
        let table = Matrix(rows: 4, columns: 6)
        for position in 0..<4 {
            for pair in 0..<3 {
                table[position, pair] = Float(Foundation.cos(Double(position * (pair + 1))))
                table[position, 3 + pair] = Float(Foundation.sin(Double(position * (pair + 1))))
            }
        }
        let x = random(2, 12, seed: 33)
        let before = x.array()
        x.rotate(heads: 2, table: table, positions: [3, 1])
        for (row, position) in [3, 1].enumerated() {
            for head in 0..<2 {
                for pair in 0..<3 {
                    let angle = Double(position * (pair + 1))
                    let a = Double(before[row * 12 + head * 6 + pair])
                    let b = Double(before[row * 12 + head * 6 + 3 + pair])
                    let first = a * Foundation.cos(angle) - b * Foundation.sin(angle)
                    let second = b * Foundation.cos(angle) + a * Foundation.sin(angle)
                    #expect(abs(Double(x[row, head * 6 + pair]) - first) < 1e-6)
                    #expect(abs(Double(x[row, head * 6 + 3 + pair]) - second) < 1e-6)
                }
            }
        }
    }
}
