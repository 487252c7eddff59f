import CJanusKernels

/// For each channel: (x − centre) · scale + shift; each [1, channels].
struct ChannelAffine {
    let centre: Matrix
    let scale: Matrix
    let shift: Matrix
}

extension Matrix {
    /// GroupNorm over a feature map [pixels, channels], then swish where asked: each group of channels has one mean and one
    /// variance over all pixels. weight and bias [1, channels].
    ///
    /// Sums run in f64 over fixed blocks of rows, added in order, so that threads change nothing.
    package func groupNorm(groups: Int, weight: Matrix, bias: Matrix, epsilon: Float, swish: Bool) -> Matrix {
        let affine = affine(groups: groups, weight: weight, bias: bias, epsilon: epsilon)
        let out = Matrix(rows: rows, columns: columns)
        Threads.split(rows, grain: Self.grainRows) { range in
            unsafe janus_channel_affine(
                self.base + range.lowerBound * self.columns, affine.centre.base, affine.scale.base, affine.shift.base,
                out.base + range.lowerBound * self.columns, range.count, self.columns, swish ? 1 : 0)
        }
        return out
    }

    /// What normalising comes to for each channel: (x − centre) · scale + shift. The centre is the mean in f32
    /// and the shift makes up for its rounding: x − mean is small where x and the mean are large.
    func affine(groups: Int, weight: Matrix, bias: Matrix, epsilon: Float) -> ChannelAffine {
        precondition(isDense && groups > 0 && columns % groups == 0, "\(columns) channels in \(groups) groups")
        precondition(weight.count == columns && bias.count == columns, "a norm of other width")
        let sums = channelSums()
        let centre = Matrix(rows: 1, columns: columns)
        let scale = Matrix(rows: 1, columns: columns)
        let shift = Matrix(rows: 1, columns: columns)
        let size = columns / groups
        for group in 0..<groups {
            var sum = 0.0
            var squares = 0.0
            for channel in group * size..<(group + 1) * size {
                sum += sums[channel]
                squares += sums[columns + channel]
            }
            let count = Double(size * rows)
            let mean = sum / count
            let variance = Swift.max(squares / count - mean * mean, 0)
            let factor = 1 / (variance + Double(epsilon)).squareRoot()
            for channel in group * size..<(group + 1) * size {
                let slope = Double(weight[0, channel]) * factor
                centre[0, channel] = Float(mean)
                scale[0, channel] = Float(slope)
                shift[0, channel] = Float(Double(bias[0, channel]) - (mean - Double(Float(mean))) * slope)
            }
        }
        return ChannelAffine(centre: centre, scale: scale, shift: shift)
    }

    /// Σx of each channel, then Σx² of each.
    private func channelSums() -> [Double] {
        let blocks = (rows + Self.blockRows - 1) / Self.blockRows
        var partial = [Double](repeating: 0, count: blocks * 2 * columns)
        unsafe partial.withUnsafeMutableBufferPointer { buffer in
            guard let address = buffer.baseAddress else { return }
            nonisolated(unsafe) let target = unsafe address
            Threads.split(blocks, grain: 1) { range in
                for block in range {
                    let first = block * Self.blockRows
                    let count = Swift.min(Self.blockRows, self.rows - first)
                    unsafe janus_channel_sums(
                        self.base + first * self.columns, count, self.columns, target + block * 2 * self.columns)
                }
            }
        }
        var total = [Double](repeating: 0, count: 2 * columns)
        for block in 0..<blocks {
            for index in 0..<2 * columns { total[index] += partial[block * 2 * columns + index] }
        }
        return total
    }

    private static let blockRows = 1024
    private static let grainRows = 256
}
