import CJanusKernels
import JanusJob

/// A 3×3 convolution of a feature map that was enlarged to twice its sides, as four of 2×2 on the feature map itself.
///
/// A pixel of the enlarged feature map is one of four: its row is even or odd, and so is its column. For each of these phases
/// the 3×3 kernel sees two rows and two columns of the small feature map, one of them twice, so its taps there add up: 4 of 9
/// multiplications are left, and the enlarged feature map is never written. The border of zeros is the same for both.
package enum UpsamplingConvolution {
    static let count = 4
    static let taps = 4

    /// Whether the kernels can read feature maps of so many channels in bf16.
    package static func suit(channels: Int) -> Bool { channels % Int(janus_inputs_multiple) == 0 }

    /// Phase after phase, row 0 column 0 first, each filled up to whole panels of outputs: [4 · outputs, 2 · 2 · inputs],
    /// the channel running fastest.
    package static func layout(outputs: Int, inputs: Int) -> PackedLayout {
        PackedLayout(precision: .bf16, outputs: count * filled(outputs), inputs: taps * inputs)
    }

    static func filled(_ outputs: Int) -> Int {
        (outputs + PackedLayout.panelOutputs - 1) / PackedLayout.panelOutputs * PackedLayout.panelOutputs
    }

    /// Sums run in f32 and are rounded when they are packed.
    /// - Parameter weights: [outputs, 3 · 3 · inputs] as `Convolution3x3.ordered` lays them out.
    package static func kernels(of weights: Matrix) -> Matrix {
        precondition(weights.columns % 9 == 0, "a 3×3 kernel")
        let inputs = weights.columns / 9
        let filled = filled(weights.rows)
        let kernels = Matrix(rows: count * filled, columns: taps * inputs)
        for phase in 0..<count {
            for tap in 0..<taps {
                let places = sources(phase / 2, tap / 2).flatMap { row in
                    sources(phase % 2, tap % 2).map { 3 * row + $0 }
                }
                for output in 0..<weights.rows {
                    for input in 0..<inputs {
                        kernels[phase * filled + output, tap * inputs + input] = places.reduce(0) {
                            $0 + weights[output, $1 * inputs + input]
                        }
                    }
                }
            }
        }
        return kernels
    }

    /// Rows (or columns) of the 3×3 kernel that fall on a row of the small feature map.
    private static func sources(_ phase: Int, _ tap: Int) -> ClosedRange<Int> {
        switch (phase, tap) {
        case (0, 0): 0...0
        case (0, _): 1...2
        case (_, 0): 0...1
        case (_, _): 2...2
        }
    }
}
