import CJanusKernels

extension Matrix {
    /// out (+)= self [m, k] · weightsᵀ in the weights' precision.
    ///
    /// A row's result depends on that row and the weights only: not on m, the threads or the instruction set.
    package func multiply(
        by weights: PackedMatrix, into out: Matrix, accumulate: Bool = false, isa: InstructionSet = Threads.isa
    ) {
        let layout = weights.layout
        precondition(columns == layout.inputs && out.rows == rows && out.columns == layout.outputs, "product's sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        guard out.count > 0 else { return }
        let quantized = Activations(self, layout)
        let few = rows * layout.inputs * layout.outputs < Self.packedGrainProducts
        Threads.split(layout.panels, grain: few ? layout.panels : 1) { range in
            unsafe quantized.withC { activations in
                var packed = unsafe janus_weights(
                    precision: layout.precision.code, values: weights.values.base, scales: weights.scales?.base,
                    outputs: layout.outputs, inputs: layout.padded, group: layout.group)
                var activations = unsafe activations
                unsafe janus_packed_product(
                    Int32(isa.rawValue), &packed, &activations, range.lowerBound, range.count, out.base, out.stride,
                    accumulate ? 1 : 0)
            }
        }
    }

    /// Products that are too few for a second thread.
    private static let packedGrainProducts = 1 << 16
}

/// Rows rounded as a packed product takes them.
private struct Activations {
    private let values: ByteStorage
    private let scales: FloatStorage
    private let starts: ByteStorage
    private let rows: Int
    private let padded: Int

    init(_ x: Matrix, _ layout: PackedLayout) {
        rows = x.rows
        padded = layout.padded
        let padded = padded
        let groups = padded / layout.group
        let isHalf = layout.precision == .bf16
        let values = ByteStorage(count: x.rows * padded * (isHalf ? 2 : 1))
        let scales = FloatStorage(count: isHalf ? 0 : x.rows * groups)
        let starts = ByteStorage(count: isHalf ? 0 : x.rows * groups * MemoryLayout<Int32>.stride)
        self.values = values
        self.scales = scales
        self.starts = starts
        Threads.split(x.rows, grain: max(1, Self.grainValues / padded)) { range in
            let from = unsafe x.base + range.lowerBound * x.stride
            if isHalf {
                unsafe janus_bf16_activations(
                    from, x.stride, range.count, x.columns, padded,
                    values.base.assumingMemoryBound(to: UInt16.self) + range.lowerBound * padded)
            } else {
                unsafe janus_int8_activations(
                    from, x.stride, range.count, x.columns, padded, layout.activationGroup, layout.group,
                    values.base.assumingMemoryBound(to: Int8.self) + range.lowerBound * padded,
                    scales.base + range.lowerBound * groups,
                    starts.base.assumingMemoryBound(to: Int32.self) + range.lowerBound * groups)
            }
        }
    }

    @unsafe func withC(_ body: (janus_activations) -> Void) {
        unsafe body(
            janus_activations(
                values: values.base, scales: scales.base, starts: starts.base.assumingMemoryBound(to: Int32.self),
                rows: rows, inputs: padded))
    }

    private static let grainValues = 1 << 15
}
