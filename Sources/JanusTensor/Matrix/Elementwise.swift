import CJanusKernels

extension Matrix {
    /// Values that are too few for a thread of their own.
    private static let grainValues = 1 << 13

    private func forRows(_ body: (Range<Int>) -> Void) {
        Threads.split(rows, grain: max(1, Self.grainValues / max(columns, 1)), body)
    }

    private func eachRow(_ kernel: (UnsafeMutablePointer<Float>, Int) -> Void) {
        forRows { range in
            if self.isDense {
                unsafe kernel(self.base + range.lowerBound * self.stride, range.count * self.columns)
            } else {
                for row in range { unsafe kernel(self.base + row * self.stride, self.columns) }
            }
        }
    }

    /// Exact GELU in place: x/2 · (1 + erf(x/√2)).
    package func gelu() { unsafe eachRow { unsafe janus_gelu($0, $1) } }
    /// As `gelu()`, of one row.
    package func gelu(row: Int) {
        precondition(row >= 0 && row < rows, "row \(row)")
        unsafe janus_gelu(base + row * stride, columns)
    }
    /// x / (1 + e^−x) in place (SiLU).
    package func swish() { unsafe eachRow { unsafe janus_swish($0, $1) } }

    /// self = swish(self) · other in one row (Llama's gate and up).
    package func swishMultiply(by other: Matrix, row: Int) {
        precondition(rows == other.rows && columns == other.columns && row >= 0 && row < rows, "different sides")
        unsafe janus_swish_multiply(base + row * stride, other.base + row * other.stride, columns)
    }

    /// self += other.
    package func add(_ other: Matrix) {
        precondition(rows == other.rows && columns == other.columns, "different sides")
        forRows { range in
            for row in range {
                unsafe janus_add(self.base + row * self.stride, other.base + row * other.stride, self.columns)
            }
        }
    }

    func addToEachRow(_ bias: Matrix) {
        precondition(bias.rows == 1 && bias.columns == columns, "a bias of other width")
        forRows { range in
            for row in range { unsafe janus_add(self.base + row * self.stride, bias.base, self.columns) }
        }
    }

    func fillRows(with bias: Matrix) {
        precondition(bias.rows == 1 && bias.columns == columns, "a bias of other width")
        forRows { range in
            for row in range { unsafe (self.base + row * self.stride).update(from: bias.base, count: self.columns) }
        }
    }

    /// Softmax of scale · x, each row by itself. Its first `counts(row)` values only; the others become 0 (masked).
    package func softmax(scale: Float = 1, counts: ((Int) -> Int)? = nil) {
        forRows { range in
            for row in range {
                let count = counts.map { min(max($0(row), 0), self.columns) } ?? self.columns
                let start = unsafe self.base + row * self.stride
                unsafe janus_softmax(start, count, scale)
                unsafe (start + count).update(repeating: 0, count: self.columns - count)
            }
        }
    }

    /// Each row divided by its length.
    package func normalizeRows() {
        forRows { range in
            for row in range { unsafe janus_l2_normalize(self.base + row * self.stride, self.columns) }
        }
    }

    /// x / √(mean(x²) + ε) · weight, each row; weight [1, columns].
    package func rmsNorm(weight: Matrix, epsilon: Float) -> Matrix {
        let out = Matrix(rows: rows, columns: columns)
        rmsNorm(weight: weight, epsilon: epsilon, into: out)
        return out
    }

    /// As `rmsNorm(weight:epsilon:)`, into a matrix of the same sides.
    package func rmsNorm(weight: Matrix, epsilon: Float, into out: Matrix) {
        forRows { range in
            for row in range { self.rmsNorm(weight: weight, epsilon: epsilon, into: out, row: row) }
        }
    }

    /// As `rmsNorm(weight:epsilon:into:)`, one row only.
    package func rmsNorm(weight: Matrix, epsilon: Float, into out: Matrix, row: Int) {
        precondition(weight.rows == 1 && weight.columns == columns, "a norm of other width")
        precondition(out.rows == rows && out.columns == columns && row >= 0 && row < rows, "different sides")
        unsafe janus_rms_norm(base + row * stride, weight.base, out.base + row * out.stride, columns, epsilon)
    }

    /// (x − mean) / √(variance + ε) · weight + bias, each row; weight and bias [1, columns].
    package func layerNorm(weight: Matrix, bias: Matrix, epsilon: Float) -> Matrix {
        let out = Matrix(rows: rows, columns: columns)
        layerNorm(weight: weight, bias: bias, epsilon: epsilon, into: out)
        return out
    }

    /// As `layerNorm(weight:bias:epsilon:)`, into a matrix of the same sides.
    package func layerNorm(weight: Matrix, bias: Matrix, epsilon: Float, into out: Matrix) {
        forRows { range in
            for row in range { self.layerNorm(weight: weight, bias: bias, epsilon: epsilon, into: out, row: row) }
        }
    }

    /// As `layerNorm(weight:bias:epsilon:into:)`, of one row.
    package func layerNorm(weight: Matrix, bias: Matrix, epsilon: Float, into out: Matrix, row: Int) {
        precondition(weight.rows == 1 && weight.columns == columns, "a norm of other width")
        precondition(bias.rows == 1 && bias.columns == columns, "a norm of other width")
        precondition(out.rows == rows && out.columns == columns && row >= 0 && row < rows, "different sides")
        unsafe janus_layer_norm(
            base + row * stride, weight.base, bias.base, out.base + row * out.stride, columns, epsilon)
    }

    /// 8-bit values of pixels in −1…1: clip((x + 1) / 2 · 255, 0, 255), truncated.
    package func pixelBytes() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { target, filled in
            if let address = target.baseAddress {
                for row in 0..<rows {
                    unsafe janus_pixels_u8(base + row * stride, address + row * columns, columns)
                }
            }
            filled = count
        }
    }
}
