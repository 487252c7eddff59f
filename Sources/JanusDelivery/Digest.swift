import Crypto
package import Foundation

/// SHA-256 in lower-case hexadecimal, as outputs record it.
package func sha256Hex(_ data: Data) -> String {
    SHA256.hash(data: data).reduce(into: "") { text, byte in
        text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
