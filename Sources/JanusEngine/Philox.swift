/// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): a counter-based generator.
/// Every number is a pure function of key and counter, so draws do not depend on each other or on their order.
package struct Philox {
    let key: (UInt32, UInt32)

    package init(seed: Int64) {
        let bits = UInt64(bitPattern: seed)
        key = (UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32))
    }

    /// The four words of one counter.
    package func block(_ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32) -> SIMD4<UInt32> {
        var (x0, x1, x2, x3) = (c0, c1, c2, c3)
        var (k0, k1) = key
        for _ in 0..<10 {
            let product0 = UInt64(x0) * 0xD251_1F53
            let product1 = UInt64(x2) * 0xCD9E_8D57
            (x0, x1, x2, x3) = (
                UInt32(truncatingIfNeeded: product1 >> 32) ^ x1 ^ k0, UInt32(truncatingIfNeeded: product1),
                UInt32(truncatingIfNeeded: product0 >> 32) ^ x3 ^ k1, UInt32(truncatingIfNeeded: product0)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return SIMD4(x0, x1, x2, x3)
    }
}
