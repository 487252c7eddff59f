import Glibc

/// An IPv4 or IPv6 address.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16, in network order.
    let bytes: [UInt8]

    /// - Parameter bytes: 4 or 16 of them, in network order; nil for any other number.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// The usual text forms: `192.0.2.1`, `2001:db8::1`; no shortened, octal or hexadecimal IPv4.
    package init?(_ text: String) {
        let isV6 = text.contains(":")
        var bytes = [UInt8](repeating: 0, count: isV6 ? 16 : 4)
        guard unsafe inet_pton(isV6 ? AF_INET6 : AF_INET, text, &bytes) == 1 else { return nil }
        self.bytes = bytes
    }

    var isV6: Bool { bytes.count == 16 }

    /// The IPv4 address that `::ffff:0:0/96` wraps.
    var mappedV4: IPAddress? {
        guard isV6, bytes[0..<10].allSatisfy({ $0 == 0 }), bytes[10] == 255, bytes[11] == 255 else { return nil }
        return IPAddress(bytes: Array(bytes[12...]))
    }

    package var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard unsafe inet_ntop(isV6 ? AF_INET6 : AF_INET, bytes, &text, socklen_t(text.count)) != nil else {
            return "\(bytes)"
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A network in CIDR notation, such as `10.0.0.0/8` or `fd00::/8`; a bare address is a network of one.
package struct AddressRange: Hashable, Sendable {
    let network: IPAddress
    let prefixLength: Int

    /// nil when the text is no network, or has bits set behind its prefix.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let network = IPAddress(String(parts[0])) else { return nil }
        let bits = network.bytes.count * 8
        var prefixLength = bits
        if parts.count == 2 {
            guard let length = Int(parts[1]), (0...bits).contains(length), parts[1].allSatisfy(\.isNumber) else {
                return nil
            }
            prefixLength = length
        }
        self.network = network
        self.prefixLength = prefixLength
        for bit in prefixLength..<bits {
            let mask: UInt8 = 0x80 >> UInt8(bit % 8)
            if network.bytes[bit / 8] & mask != 0 { return nil }
        }
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == network.bytes.count else { return false }
        let whole = prefixLength / 8
        guard address.bytes[..<whole] == network.bytes[..<whole] else { return false }
        let rest = prefixLength % 8
        return rest == 0 || (address.bytes[whole] ^ network.bytes[whole]) >> (8 - rest) == 0
    }
}
