import CJanusKernels
import COpenBLAS

extension Matrix {
    /// out (+)= self [m, k] · weightsᵀ, weights [n, k].
    ///
    /// Few rows (a decoding step) are bound by reading the weights: our own kernel reads them once, where sgemm would copy
    /// them first. Many rows go to OpenBLAS.
    package func multiply(byTransposed weights: Matrix, into out: Matrix, accumulate: Bool = false) {
        precondition(columns == weights.columns && out.rows == rows && out.columns == weights.rows, "product's sides")
        guard out.count > 0 else { return }
        let outputs = weights.rows
        MultiplyAdds.count(rows * columns * outputs)
        if rows <= Self.thinRowsMax {
            let grain = max(1, Self.thinGrainValues / max(columns, 1))
            Threads.split(outputs, grain: grain) { range in
                unsafe janus_thin_product(
                    self.base, self.stride, weights.base + range.lowerBound * weights.stride, weights.stride,
                    out.base + range.lowerBound, out.stride, self.rows, range.count, self.columns, accumulate ? 1 : 0)
            }
        } else {
            unsafe janus_sgemm_by_transposed(
                Int32(rows), Int32(outputs), Int32(columns), base, Int32(stride), weights.base, Int32(weights.stride),
                accumulate ? 1 : 0, out.base, Int32(out.stride))
        }
    }

    /// out = self [m, k] · other [k, n].
    package func multiply(by other: Matrix, into out: Matrix) {
        precondition(columns == other.rows && out.rows == rows && out.columns == other.columns, "product's sides")
        guard out.count > 0 else { return }
        MultiplyAdds.count(rows * columns * out.columns)
        unsafe janus_sgemm(
            Int32(rows), Int32(out.columns), Int32(columns), base, Int32(stride), other.base, Int32(other.stride),
            out.base, Int32(out.stride))
    }

    /// Up to so many rows of f32 are multiplied by our own kernel.
    package static let thinRowsMax = Int(janus_thin_rows_max)

    /// Weights (256 KiB of them) that are too few for a thread of their own.
    private static let thinGrainValues = 1 << 16
}
