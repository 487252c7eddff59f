import CJanusKernels

/// Noise to measure with, equal for equal seeds.
extension ByteStorage {
    convenience init(noise count: Int, seed: UInt64) {
        self.init(count: count)
        unsafe janus_fill_noise(base, count, seed)
    }

    /// bf16 values of either sign, their sizes from the next lower power of two of `size` to twice that.
    convenience init(halfNoise values: Int, near size: Float, seed: UInt64) {
        self.init(noise: 2 * values, seed: seed)
        unsafe base.withMemoryRebound(to: UInt16.self, capacity: values) { halves in
            // sign and mantissa are noise, the exponent is that of the size
            let exponent = UInt16(truncatingIfNeeded: size.bitPattern >> 16) & 0x7f80
            for index in 0..<values { unsafe halves[index] = halves[index] & 0x807f | exponent }
        }
    }
}

extension EmbeddingRows {
    /// Rows of noise with a variance near 1 / columns.
    package init(noiseRows rows: Int, columns: Int, seed: UInt64) {
        let values = ByteStorage(halfNoise: rows * columns, near: 1 / Float(columns).squareRoot(), seed: seed)
        self.init(half: values, rows: rows, columns: columns)
    }
}
