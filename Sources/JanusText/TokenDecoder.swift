/// Turns tokens into text as they come, in UTF-8: a character whose bytes are spread over tokens appears with its last one.
/// Takes no memory but where the text has no room.
package struct TokenDecoder: Sendable {
    private let tokenizer: Tokenizer
    /// The beginning of a character that may still be completed; at most three bytes.
    private var pending: [UInt8] = []

    package init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        pending.reserveCapacity(tokenizer.tokenBytesMax + 3)
    }

    /// Appends the text that `id` completes, possibly none.
    package mutating func append(_ id: Int32, to text: inout [UInt8]) {
        pending.append(contentsOf: tokenizer.bytes(of: id))
        let whole = pending.count - Self.unfinishedByteCount(pending)
        text.append(repairing: pending[..<whole])
        pending.removeFirst(whole)
    }

    /// Appends what is left at the end of the text: U+FFFD for a character that was never completed.
    package mutating func finish(_ text: inout [UInt8]) {
        text.append(repairing: pending[...])
        pending.removeAll(keepingCapacity: true)
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
            return length < total && isBeginning(tail) ? length : 0
        }
        return 0
    }

    /// Whether the second byte is one that may follow the lead byte (Unicode's table 3-7); later ones are continuation
    /// bytes, as the caller found.
    private static func isBeginning(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let lead = bytes.first, let second = bytes.dropFirst().first else { return true }
        return switch lead {
        case 0xE0: (0xA0...0xBF).contains(second)
        case 0xED: (0x80...0x9F).contains(second)
        case 0xF0: (0x90...0xBF).contains(second)
        case 0xF4: (0x80...0x8F).contains(second)
        default: true
        }
    }
}

extension [UInt8] {
    /// Appends bytes with U+FFFD in place of what is not UTF-8, as `String(decoding:as:)` has it.
    package mutating func append(repairing bytes: ArraySlice<UInt8>) {
        var rest = bytes.makeIterator()
        var parser = Unicode.UTF8.ForwardParser()
        while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let character): append(contentsOf: character)
            case .error: append(contentsOf: Unicode.UTF8.encodedReplacementCharacter)
            case .emptyInput: return
            }
        }
    }
}
