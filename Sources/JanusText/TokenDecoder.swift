/// Turns tokens into text as they come: a character whose bytes are spread over tokens appears with its last one.
package struct TokenDecoder: Sendable {
    private let tokenizer: Tokenizer
    /// The beginning of a character that may still be completed; at most three bytes.
    private var pending: [UInt8] = []

    package init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// The text that `id` completes, possibly none.
    package mutating func append(_ id: Int32) -> String {
        pending += tokenizer.bytes(of: id)
        let held = Self.unfinishedByteCount(pending)
        let text = String(decoding: pending.dropLast(held), as: UTF8.self)
        pending = Array(pending.suffix(held))
        return text
    }

    /// What is left at the end of the text: U+FFFD for a character that was never completed.
    package mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many of the last bytes are a well-formed beginning of a longer UTF-8 sequence.
    static func unfinishedByteCount(_ bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let tail = bytes.suffix(length)
            guard let lead = tail.first, lead & 0xC0 != 0x80 else { continue }
            let total =
                switch lead {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            return length < total && isBeginning(Array(tail)) ? length : 0
        }
        return 0
    }

    /// Whether the second byte is one that may follow the lead byte (Unicode's table 3-7); later ones are continuation
    /// bytes, as the caller found.
    private static func isBeginning(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 1 else { return true }
        return switch bytes[0] {
        case 0xE0: (0xA0...0xBF).contains(bytes[1])
        case 0xED: (0x80...0x9F).contains(bytes[1])
        case 0xF0: (0x90...0xBF).contains(bytes[1])
        case 0xF4: (0x80...0x8F).contains(bytes[1])
        default: true
        }
    }
}
