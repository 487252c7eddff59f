import JanusHTTP
import Testing

@Suite("Which addresses may be reached")
struct AddressPolicyTests {
    @Test(
        "loopback, private, link-local, metadata and other reserved addresses are refused",
        arguments: [
            "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1",
            "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.168.1.1",
            "198.18.0.1", "203.0.113.7", "224.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
            "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "fc00::1", "fd00:ec2::254",
            "fe80::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "4000::1",
        ])
    func refused(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(!AddressPolicy().permits(address))
    }

    @Test(
        "public addresses are permitted",
        arguments: ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
    func permitted(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(AddressPolicy().permits(address))
    }

    @Test("a listed network is reachable, its neighbours are not, and a mapped address counts as what it wraps")
    func allowed() throws {
        let networks = ["127.0.0.0/8", "10.1.2.0/23", "fd00:1::/32"].compactMap { AddressRange($0) }
        let policy = AddressPolicy(allowedNetworks: networks)
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.3.255", "fd00:1::5"] {
            #expect(policy.permits(try #require(IPAddress(text))), "\(text)")
        }
        for text in ["10.1.4.0", "10.1.1.255", "::1", "fd00:2::5", "::ffff:10.1.4.0"] {
            #expect(!policy.permits(try #require(IPAddress(text))), "\(text)")
        }
    }

    @Test(
        "what is no network is not taken",
        arguments: [
            "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.1/8", "010.0.0.0/8", "127.1", "0x7f000001", "::/129",
            "fd00::1/8", "localhost", "10.0.0.0/8/8", "10.0.0.0/+8",
        ])
    func malformed(_ text: String) { #expect(AddressRange(text) == nil) }

    @Test("a bare address is a network of one, and everything is a network too")
    func extremes() throws {
        #expect(AddressRange("192.0.2.1") != nil && AddressRange("192.0.2.1") == AddressRange("192.0.2.1/32"))
        #expect(try #require(AddressRange("0.0.0.0/0")).contains(try #require(IPAddress("169.254.169.254"))))
        #expect(try !#require(AddressRange("::/0")).contains(try #require(IPAddress("127.0.0.1"))))
    }
}
