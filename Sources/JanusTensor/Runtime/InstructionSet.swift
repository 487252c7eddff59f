import CJanusKernels
import JanusJob
import Synchronization

/// Which instructions the packed products use. Results are equal bit for bit; each is tested against `scalar`.
package enum InstructionSet: Int, Sendable, CaseIterable {
    case scalar = 0
    case avx2 = 1
    case avx512VNNI = 2
    case avx512BF16 = 3
    /// aarch64 with the dot product extension.
    case neon = 4

    package var isSupported: Bool { janus_isa_is_supported(Int32(rawValue)) != 0 }

    /// The fastest that this processor has.
    package static var best: InstructionSet { InstructionSet(rawValue: Int(janus_isa_best())) ?? .scalar }

    /// As it stands in fingerprints.
    package var name: String {
        switch self {
        case .scalar: "scalar"
        case .avx2: "avx2"
        case .avx512VNNI: "avx512vnni"
        case .avx512BF16: "avx512bf16"
        case .neon: "neon"
        }
    }
}

extension PackedPrecision {
    var code: Int32 {
        switch self {
        case .bf16: Int32(janus_precision_bf16.rawValue)
        case .int8: Int32(janus_precision_int8.rawValue)
        case .int4: Int32(janus_precision_int4.rawValue)
        }
    }
}
