/// GPT-2's way to write any byte as a printable character: visible Latin-1 bytes stand for themselves, the others take
/// the code points from U+0100 on, in order.
enum ByteAlphabet {
    /// The scalar that stands for each byte.
    static let scalars: [UInt32] = {
        var scalars = [UInt32](repeating: 0, count: 256)
        var next: UInt32 = 0x100
        for byte in 0..<256 {
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: scalars[byte] = UInt32(byte)
            default:
                scalars[byte] = next
                next += 1
            }
        }
        return scalars
    }()

    private static let bytes: [UInt32: UInt8] = Dictionary(
        uniqueKeysWithValues: scalars.enumerated().map { ($0.element, UInt8($0.offset)) })

    /// The bytes that a vocabulary entry stands for; nil where it is not written in the alphabet.
    static func bytes(of entry: String) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(entry.utf8.count)
        for scalar in entry.unicodeScalars {
            guard let byte = bytes[scalar.value] else { return nil }
            result.append(byte)
        }
        return result
    }
}
