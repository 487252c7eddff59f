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

/// Rows rounded as a packed product takes them, in the thread's scratch memory: they last until its next product.
@safe private struct Activations {
    private let values: UnsafeMutableRawPointer
    private let scales: UnsafeMutablePointer<Float>
    private let starts: UnsafeMutablePointer<Int32>
    private let rows: Int
    private let padded: Int

    init(_ x: Matrix, _ layout: PackedLayout) {
        rows = x.rows
        padded = layout.padded
        let padded = padded
        let groups = padded / layout.group
        let isHalf = layout.precision == .bf16
        let values = unsafe Self.scratch(.values, bytes: x.rows * padded * (isHalf ? 2 : 1))
        let perGroup = isHalf ? 0 : x.rows * groups * MemoryLayout<Float>.stride
        let scales = unsafe Self.scratch(.scales, bytes: perGroup).assumingMemoryBound(to: Float.self)
        let starts = unsafe Self.scratch(.starts, bytes: perGroup).assumingMemoryBound(to: Int32.self)
        unsafe self.values = values
        unsafe self.scales = scales
        unsafe self.starts = starts
        Threads.split(x.rows, grain: max(1, Self.grainValues / padded)) { range in
            if isHalf {
                unsafe janus_bf16_activations(
                    x.base, x.stride, range.lowerBound, range.count, x.rows, x.columns, padded,
                    values.assumingMemoryBound(to: UInt16.self))
            } else {
                unsafe janus_int8_activations(
                    x.base, x.stride, range.lowerBound, range.count, x.rows, x.columns, padded, layout.activationGroup,
                    layout.group, values.assumingMemoryBound(to: Int8.self), scales, starts)
            }
        }
    }

    @unsafe func withC(_ body: (janus_activations) -> Void) {
        unsafe body(
            janus_activations(values: values, scales: scales, starts: starts, rows: rows, inputs: padded))
    }

    private enum Slot: Int32 {
        case values, scales, starts
    }

    @unsafe private static func scratch(_ slot: Slot, bytes: Int) -> UnsafeMutableRawPointer {
        guard let address = unsafe janus_scratch(slot.rawValue, bytes) else {
            preconditionFailure("out of memory: \(bytes) bytes of activations")
        }
        return unsafe address
    }

    private static let grainValues = 1 << 12
}
