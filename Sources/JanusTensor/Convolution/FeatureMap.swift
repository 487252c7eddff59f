import CJanusKernels

/// A feature map as a matrix: [height · width, channels], pixel after pixel.
package struct FeatureMap {
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
    package func upsampled() -> FeatureMap {
        precondition(pixels.isDense, "a feature map in part of a matrix")
        let out = Matrix(rows: 4 * pixels.rows, columns: channels)
        Threads.split(2 * height, grain: 8) { range in
            unsafe janus_upsample2(
                self.pixels.base, self.width, self.channels, range.lowerBound, range.count, out.base)
        }
        return FeatureMap(height: 2 * height, width: 2 * width, pixels: out)
    }
}

/// GroupNorm of a featureMap, weight and bias [1, channels], then swish where asked.
package struct FeatureMapNorm {
    let weight: Matrix
    let bias: Matrix
    let groups: Int
    let epsilon: Float
    let swish: Bool

    package init(weight: Matrix, bias: Matrix, groups: Int, epsilon: Float, swish: Bool) {
        self.weight = weight
        self.bias = bias
        self.groups = groups
        self.epsilon = epsilon
        self.swish = swish
    }

    package func callAsFunction(_ x: FeatureMap) -> FeatureMap {
        FeatureMap(
            height: x.height, width: x.width,
            pixels: x.pixels.groupNorm(groups: groups, weight: weight, bias: bias, epsilon: epsilon, swish: swish))
    }

    /// What the norm comes to for this feature map's channels, before swish.
    func affine(of x: FeatureMap) -> ChannelAffine {
        x.pixels.affine(groups: groups, weight: weight, bias: bias, epsilon: epsilon)
    }
}

/// The memory of feature maps on their way through a network: what no feature map lies in any more is used again, so that the
/// kernel need not clear pages for every convolution.
///
/// Not `Sendable`: it belongs to whoever computes the network.
package final class FeatureMapMemory {
    private var storages: [FloatStorage] = []

    package init() {}

    /// A matrix with whatever was in it: whoever takes it writes all of it.
    package func matrix(rows: Int, columns: Int) -> Matrix {
        let count = rows * columns
        let free = storages.indices.filter { isKnownUniquelyReferenced(&storages[$0]) }
        func smallest(_ candidates: [Int]) -> Int? { candidates.min { storages[$0].count < storages[$1].count } }
        if let index = smallest(free.filter { storages[$0].count >= count }) {
            return Matrix(reusing: storages[index], rows: rows, columns: columns)
        }
        // Levels only grow on the way to a picture: what was too small now, will be.
        if let index = smallest(free) { storages.remove(at: index) }
        let storage = FloatStorage(count: count)
        storages.append(storage)
        return Matrix(reusing: storage, rows: rows, columns: columns)
    }
}
