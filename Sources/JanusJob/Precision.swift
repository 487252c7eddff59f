/// How the weights of packed layers are stored.
package enum PackedPrecision: String, Sendable, CaseIterable, Codable {
    case bf16
    case int8
    case int4
}

/// What a model computes in: a checkpoint as it is, or packed.
package enum Precision: RawRepresentable, Sendable, Equatable, CaseIterable {
    /// The reference: a checkpoint's weights widened to 32 bits.
    case f32
    case packed(PackedPrecision)

    package static let allCases: [Precision] = [.f32] + PackedPrecision.allCases.map { .packed($0) }

    /// - Parameter packed: nil for a checkpoint that is not packed.
    package init(_ packed: PackedPrecision?) { self = packed.map { .packed($0) } ?? .f32 }

    package init?(rawValue: String) {
        guard let named = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = named
    }

    package var rawValue: String {
        switch self {
        case .f32: "f32"
        case .packed(let precision): precision.rawValue
        }
    }
}

/// How packs keep keys and values.
package enum KeyValueFormat: String, Sendable, CaseIterable {
    case bf16
    /// 8-bit integers, with a scale for each head of a position.
    case int8
}
