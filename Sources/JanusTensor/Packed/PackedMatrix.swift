import CJanusKernels
import Foundation
package import JanusJob

/// Sizes of a packed matrix of weights; `JanusPacked.h` says how they lie.
package struct PackedLayout: Sendable, Equatable {
    package let precision: PackedPrecision
    package let outputs: Int
    package let inputs: Int

    package init(precision: PackedPrecision, outputs: Int, inputs: Int) {
        precondition(outputs >= 1 && inputs >= 1, "weights of \(outputs) × \(inputs)")
        self.precision = precision
        self.outputs = outputs
        self.inputs = inputs
    }

    static let panelOutputs = Int(janus_panel_outputs)
    package var panels: Int { (outputs + Self.panelOutputs - 1) / Self.panelOutputs }
    /// Inputs with the zeros behind them.
    package var padded: Int {
        (inputs + Int(janus_inputs_multiple) - 1) / Int(janus_inputs_multiple) * Int(janus_inputs_multiple)
    }
    /// Inputs whose activations share a scale.
    package var activationGroup: Int { [128, 64].first { padded % $0 == 0 } ?? Int(janus_inputs_multiple) }
    /// Inputs whose weights share a scale.
    package var group: Int {
        switch precision {
        case .bf16, .int8: activationGroup
        case .int4: Int(janus_int4_group)
        }
    }

    /// The weights as a tensor.
    package var values: (type: ElementType, shape: [Int]) {
        let wide = Self.panelOutputs
        return switch precision {
        case .bf16: (.bf16, [panels, padded / 2, wide, 2])
        case .int8: (.u8, [panels, padded / 4, wide, 4])
        case .int4: (.u8, [panels, padded / 8, wide, 4])
        }
    }

    /// Their scales as a tensor; nil for bf16.
    package var scales: (type: ElementType, shape: [Int])? {
        switch precision {
        case .bf16: nil
        case .int8: (.f32, [panels, padded / group, Self.panelOutputs])
        case .int4: (.f16, [panels, padded / group, Self.panelOutputs])
        }
    }

    package var valuesBytes: Int { values.shape.reduce(values.type.bytes, *) }
    package var scalesBytes: Int { scales.map { $0.shape.reduce($0.type.bytes, *) } ?? 0 }
}

/// Weights [outputs, inputs] as the kernels read them.
package struct PackedMatrix {
    package let layout: PackedLayout
    let values: ByteStorage
    let scales: ByteStorage?

    init(layout: PackedLayout, values: ByteStorage, scales: ByteStorage?) {
        precondition(values.count == layout.valuesBytes && (scales?.count ?? 0) == layout.scalesBytes, "other sizes")
        self.layout = layout
        self.values = values
        self.scales = scales
    }

    /// Rounds and reorders weights [outputs, inputs]; nil when one of them is not a finite number that fits.
    package init?(_ weights: Matrix, precision: PackedPrecision) {
        let layout = PackedLayout(precision: precision, outputs: weights.rows, inputs: weights.columns)
        let values = ByteStorage(count: layout.valuesBytes)
        let scales = layout.scales.map { _ in ByteStorage(count: layout.scalesBytes) }
        let faults = ByteStorage(count: layout.panels)
        Threads.split(layout.panels, grain: 1) { range in
            for panel in range {
                let bad = unsafe Self.pack(
                    weights, layout, panel, values.base + panel * (layout.valuesBytes / layout.panels),
                    scales.map { unsafe $0.base + panel * (layout.scalesBytes / layout.panels) } ?? values.base)
                unsafe faults.base.storeBytes(of: UInt8(bad), toByteOffset: panel, as: UInt8.self)
            }
        }
        guard unsafe faults.bytes.allSatisfy({ $0 == 0 }) else { return nil }
        self.init(layout: layout, values: values, scales: scales)
    }

    /// Noise of a size that weights have, to measure with: made in memory, equal for equal seeds.
    package init(noise layout: PackedLayout, seed: UInt64) {
        // Noise as weights: a variance of 1 / inputs keeps the activations' size.
        let size = 1 / Float(layout.inputs).squareRoot()
        let values =
            switch layout.precision {
            case .bf16: ByteStorage(halfNoise: layout.valuesBytes / 2, near: size, seed: seed)
            case .int8, .int4: ByteStorage(noise: layout.valuesBytes, seed: seed)
            }
        let scales = layout.scales.map { _ in ByteStorage(count: layout.scalesBytes) }
        switch layout.precision {
        case .bf16: break
        case .int8:
            if let scales {
                unsafe scales.base.withMemoryRebound(to: Float.self, capacity: scales.count / 4) {
                    unsafe $0.update(repeating: size / 74, count: scales.count / 4)
                }
            }
        case .int4:
            if let scales {
                unsafe scales.base.withMemoryRebound(to: Float16.self, capacity: scales.count / 2) {
                    unsafe $0.update(repeating: Float16(size / 74), count: scales.count / 2)
                }
            }
        }
        self.init(layout: layout, values: values, scales: scales)
    }

    private static func pack(
        _ weights: Matrix, _ layout: PackedLayout, _ panel: Int, _ values: UnsafeMutableRawPointer,
        _ scales: UnsafeMutableRawPointer
    ) -> Int32 {
        let first = panel * PackedLayout.panelOutputs
        let outputs = min(PackedLayout.panelOutputs, layout.outputs - first)
        let from = unsafe weights.base + first * weights.stride
        let (inputs, padded) = (layout.inputs, layout.padded)
        switch layout.precision {
        case .bf16:
            return unsafe janus_bf16_pack(
                from, weights.stride, outputs, inputs, padded, values.assumingMemoryBound(to: UInt16.self))
        case .int8:
            return unsafe janus_int8_pack(
                from, weights.stride, outputs, inputs, padded, layout.group, values.assumingMemoryBound(to: UInt8.self),
                scales.assumingMemoryBound(to: Float.self))
        case .int4:
            return unsafe janus_int4_pack(
                from, weights.stride, outputs, inputs, padded, values.assumingMemoryBound(to: UInt8.self),
                scales.assumingMemoryBound(to: UInt16.self))
        }
    }

    /// Bytes of weights and scales, for whoever writes them to a file.
    package func withBytes<Failure: Error>(
        _ body: (_ values: UnsafeRawBufferPointer, _ scales: UnsafeRawBufferPointer?) throws(Failure) -> Void
    ) throws(Failure) {
        try unsafe body(values.bytes, scales?.bytes)
    }
}
