import CJanusKernels
import JanusJob

extension Matrix {
    /// out = bias + self [m, k] · weightsᵀ in the weights' precision, or that is added to it.
    ///
    /// A row's result depends on that row and the weights only: not on m, the threads or the instruction set.
    /// - Parameters:
    ///   - bias: [1, outputs]
    ///   - prepare: what fills each row of self before it is read.
    package func multiply(
        by weights: PackedMatrix, bias: Matrix? = nil, into out: Matrix, accumulate: Bool = false,
        isa: InstructionSet = Threads.isa, prepare: RowPreparation? = nil
    ) {
        let layout = weights.layout
        precondition(columns == layout.inputs && out.rows == rows && out.columns == layout.outputs, "product's sides")
        precondition(bias.map { $0.rows == 1 && $0.columns == layout.outputs } ?? true, "a bias of other width")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        guard out.count > 0 else { return }
        MultiplyAdds.count(rows * layout.inputs * layout.outputs)
        let quantized = Activations(self, layout, prepare: prepare)
        let few = rows * layout.inputs * layout.outputs < Self.packedGrainProducts
        // Where there are few panels, blocks of rows are shared out too.
        let blocks = (rows + Self.blockRows - 1) / Self.blockRows
        let chunks = few ? 1 : min(blocks, max(1, Self.partsMin / layout.panels))
        let rows = rows
        Threads.split(layout.panels * chunks, grain: few ? layout.panels : 1) { range in
            unsafe quantized.withC { activations in
                var packed = unsafe weights.c
                var activations = unsafe activations
                for item in range {
                    let (index, chunk) = item.quotientAndRemainder(dividingBy: chunks)
                    let first = blocks * chunk / chunks * Self.blockRows
                    let end = min(blocks * (chunk + 1) / chunks * Self.blockRows, rows)
                    unsafe janus_packed_product(
                        Int32(isa.rawValue), &packed, &activations, index, first, end - first, bias?.base, out.base,
                        out.stride, accumulate ? 1 : 0)
                }
            }
        }
    }

    private static let blockRows = Int(janus_packed_block_rows)
    private static let partsMin = 16
    /// Products that are too few for a second thread.
    private static let packedGrainProducts = 1 << 16
}

/// Rows rounded as a packed product takes them, in the thread's scratch memory: they last until its next product.
@safe struct Activations {
    private let values: UnsafeMutableRawPointer
    private let scales: UnsafeMutablePointer<Float>
    private let starts: UnsafeMutablePointer<Int32>
    private let rows: Int
    private let padded: Int

    private init(rows: Int, _ layout: PackedLayout) {
        self.rows = rows
        padded = layout.padded
        let isHalf = layout.precision == .bf16
        let perGroup = isHalf ? 0 : rows * (padded / layout.group) * MemoryLayout<Float>.stride
        unsafe values = Scratch.values.memory(bytes: rows * padded * (isHalf ? 2 : 1))
        unsafe scales = Scratch.scales.memory(bytes: perGroup).assumingMemoryBound(to: Float.self)
        unsafe starts = Scratch.starts.memory(bytes: perGroup).assumingMemoryBound(to: Int32.self)
    }

    /// Takes the memory for up to so many rows.
    static func reserve(rows: Int, _ layout: PackedLayout) { _ = Activations(rows: rows, layout) }

    fileprivate init(_ x: Matrix, _ layout: PackedLayout, prepare: RowPreparation?) {
        self.init(rows: x.rows, layout)
        let (values, scales, starts, padded) = unsafe (values, scales, starts, padded)
        let isHalf = layout.precision == .bf16
        let grain = Self.grainValues / (prepare == nil ? 1 : 2)
        Threads.split(x.rows, grain: max(1, grain / padded)) { range in
            if let prepare { for row in range { prepare.fill(row, of: x) } }
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

    @unsafe fileprivate func withC(_ body: (janus_activations) -> Void) {
        unsafe body(
            janus_activations(
                values: values, scales: scales, starts: starts, rows: rows, inputs: padded, feature_map: nil))
    }

    private static let grainValues = 1 << 12
}

extension PackedMatrix {
    @unsafe var c: janus_weights {
        unsafe janus_weights(
            precision: layout.precision.code, values: values.base, scales: scales?.base, outputs: layout.outputs,
            inputs: layout.padded, group: layout.group)
    }
}
