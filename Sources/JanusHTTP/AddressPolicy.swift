/// Which addresses a client may connect to: the public ones, and those that the operator lists.
///
/// Ranges are those of the IANA special-purpose registries, and of what clouds answer metadata and credentials on.
package struct AddressPolicy: Sendable, Equatable {
    /// Reachable whatever else holds.
    package var allowedNetworks: [AddressRange]

    package init(allowedNetworks: [AddressRange] = []) {
        self.allowedNetworks = allowedNetworks
    }

    package func permits(_ address: IPAddress) -> Bool {
        // Linux connects to ::ffff:a.b.c.d as to a.b.c.d: it stands in the lists by the address that is reached
        if allowedNetworks.contains(where: { $0.contains(address) }) { return true }
        if let wrapped = address.mappedV4 {
            return allowedNetworks.contains { $0.contains(wrapped) }
        }
        if address.isV6 {
            return Self.publicV6.contains { $0.contains(address) } && !Self.reservedV6.contains { $0.contains(address) }
        }
        return !Self.reservedV4.contains { $0.contains(address) }
    }

    static let reservedV4 = ranges(
        "0.0.0.0/8",  // this host
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private
        "100.64.0.0/10",  // carrier-grade NAT, and Alibaba's metadata
        "127.0.0.0/8",  // loopback
        "168.63.129.16/32",  // Azure's platform endpoint
        "169.254.0.0/16",  // link-local, and most clouds' metadata
        "192.0.0.0/24", "192.88.99.0/24",  // protocol assignments, 6to4 relays
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  // documentation
        "198.18.0.0/15",  // benchmarks
        "224.0.0.0/4", "240.0.0.0/4"  // multicast, reserved, broadcast
    )

    /// Everything else (loopback, mapped, NAT64, unique local, link-local, multicast) is refused.
    static let publicV6 = ranges("2000::/3")

    static let reservedV6 = ranges(
        "2001::/23",  // protocol assignments, Teredo among them
        "2001:db8::/32", "3fff::/20",  // documentation
        "2002::/16"  // 6to4, which wraps any IPv4 address
    )

    private static func ranges(_ texts: String...) -> [AddressRange] {
        texts.map { text in
            guard let range = AddressRange(text) else { preconditionFailure("\(text) is not a network") }
            return range
        }
    }
}
