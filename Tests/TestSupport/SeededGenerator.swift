package import Foundation

/// SplitMix64: the same values for the same seed.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    package init(_ seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Of a seed that differs in every run and is printed; the environment's `JANUS_TEST_SEED` repeats a run.
    package static func printed(for test: String) throws -> SeededGenerator {
        var seed = UInt64.random(in: 0...UInt64(UInt32.max))
        if let given = ProcessInfo.processInfo.environment["JANUS_TEST_SEED"] {
            guard let number = UInt64(given) else { throw WaitingError("JANUS_TEST_SEED=\(given) is no number") }
            seed = number
        }
        print("\(test): JANUS_TEST_SEED=\(seed)")
        return SeededGenerator(seed)
    }
}

extension Data {
    /// Random bytes.
    package init(noise count: Int, using generator: inout SeededGenerator) {
        self.init((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// One to four of its bytes changed.
    package func flipped(using generator: inout SeededGenerator) -> Data {
        guard !isEmpty else { return self }
        var copy = self
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            copy[Int.random(in: 0..<count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
        }
        return copy
    }

    /// JSON with one of its values, keys or elements replaced, removed or doubled; flipped bytes where it is no object.
    package func mutatedJSON(using generator: inout SeededGenerator) throws -> Data {
        let whole = try JSONSerialization.jsonObject(with: self, options: .fragmentsAllowed)
        let changed = JSONMutation.mutate(whole, using: &generator)
        return try JSONSerialization.data(withJSONObject: changed, options: .fragmentsAllowed)
    }
}

extension Data {
    /// JSON with one of its texts or numbers replaced by another, which may well stand there.
    package func otherValues(using generator: inout SeededGenerator) throws -> Data {
        let whole = try JSONSerialization.jsonObject(with: self, options: .fragmentsAllowed)
        let changed = JSONMutation.similar(to: whole, using: &generator)
        return try JSONSerialization.data(withJSONObject: changed, options: .fragmentsAllowed)
    }
}

/// Changes one place of a JSON value.
private enum JSONMutation {
    /// What may stand anywhere and is right almost nowhere.
    private static var strangers: [Any] {
        [
            NSNull(), true, 0, -1, 1, 2.5, 1e300, Int64.max, Int64.min, UInt64.max, "", "\u{0}", "nan", "1",
            String(repeating: "x", count: 300), [Any](), [1, "two"] as [Any], [String: Any](), ["run": NSNull()],
        ]
    }

    static func similar(to value: Any, using generator: inout SeededGenerator) -> Any {
        if var object = value as? [String: Any], let key = object.keys.sorted().randomElement(using: &generator) {
            object[key] = object[key].map { similar(to: $0, using: &generator) }
            return object
        }
        if var array = value as? [Any], let index = array.indices.randomElement(using: &generator) {
            array[index] = similar(to: array[index], using: &generator)
            return array
        }
        if let text = value as? String {
            return [text + "e", String(text.reversed()), "", "🦊"].randomElement(using: &generator) ?? text
        }
        return value is NSNumber ? Int.random(in: 0...10, using: &generator) : value
    }

    static func mutate(_ value: Any, using generator: inout SeededGenerator) -> Any {
        let goesDeeper = Int.random(in: 0..<4, using: &generator) > 0
        if goesDeeper, var object = value as? [String: Any],
            let key = object.keys.sorted().randomElement(using: &generator)
        {
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: object[key] = nil
            case 1: object[key + "_"] = object.removeValue(forKey: key)
            default: object[key] = object[key].map { mutate($0, using: &generator) }
            }
            return object
        }
        if goesDeeper, var array = value as? [Any], let index = array.indices.randomElement(using: &generator) {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: array.remove(at: index)
            case 1: array.append(array[index])
            default: array[index] = mutate(array[index], using: &generator)
            }
            return array
        }
        return strangers.randomElement(using: &generator) ?? NSNull()
    }
}
