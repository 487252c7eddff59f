package import Foundation

/// One frame on the socket between supervisor and worker.
///
///     offset  0  "JANW"
///             4  version   u16, little-endian as all numbers
///             6  type      u16
///             8  metadata bytes  u32, ≤ metadataBytesMax
///            12  payload bytes   u32, ≤ payloadBytesMax
///            16  metadata (JSON), then payload (raw bytes)
package struct Frame: Equatable {
    package static let headerBytes = 16
    package static let version: UInt16 = 4
    package static let metadataBytesMax = 4 << 20
    package static let payloadBytesMax = 64 << 20

    package var type: UInt16
    package var metadata: Data
    package var payload: Data

    package init(type: UInt16, metadata: Data, payload: Data) {
        self.type = type
        self.metadata = metadata
        self.payload = payload
    }

    package func encoded() throws(WireError) -> Data {
        guard metadata.count <= Self.metadataBytesMax else {
            throw .tooLarge(part: "metadata", bytes: metadata.count, limit: Self.metadataBytesMax)
        }
        guard payload.count <= Self.payloadBytesMax else {
            throw .tooLarge(part: "payload", bytes: payload.count, limit: Self.payloadBytesMax)
        }
        var bytes = Data(capacity: Self.headerBytes + metadata.count + payload.count)
        bytes.append(contentsOf: "JANW".utf8)
        bytes.appendLittleEndian(Self.version)
        bytes.appendLittleEndian(type)
        bytes.appendLittleEndian(UInt32(metadata.count))
        bytes.appendLittleEndian(UInt32(payload.count))
        bytes.append(metadata)
        bytes.append(payload)
        return bytes
    }
}

/// Cuts a byte stream into frames. A stream that breaks the format stays broken: close the socket.
package struct FrameDecoder {
    private var buffer = Data()
    /// Bytes of `buffer` that were given as frames: many small ones are cut off without moving the rest each time.
    private var taken = 0

    package init() {}

    package mutating func append(_ bytes: Data) {
        if taken > 0 {
            buffer = Data(buffer.dropFirst(taken))
            taken = 0
        }
        buffer.append(bytes)
    }

    /// The next whole frame, or nil until more bytes come.
    package mutating func next() throws(WireError) -> Frame? {
        let rest = buffer.dropFirst(taken)
        guard rest.count >= Frame.headerBytes else { return nil }
        guard rest.prefix(4).elementsEqual("JANW".utf8) else { throw .notAFrame }
        let version: UInt16 = rest.littleEndian(at: 4)
        guard version == Frame.version else { throw .version(found: Int(version), supported: Int(Frame.version)) }
        let type: UInt16 = rest.littleEndian(at: 6)
        let metadataBytes = Int(rest.littleEndian(at: 8) as UInt32)
        let payloadBytes = Int(rest.littleEndian(at: 12) as UInt32)
        guard metadataBytes <= Frame.metadataBytesMax else {
            throw .tooLarge(part: "metadata", bytes: metadataBytes, limit: Frame.metadataBytesMax)
        }
        guard payloadBytes <= Frame.payloadBytesMax else {
            throw .tooLarge(part: "payload", bytes: payloadBytes, limit: Frame.payloadBytesMax)
        }
        let end = Frame.headerBytes + metadataBytes + payloadBytes
        guard rest.count >= end else { return nil }
        let content = rest.dropFirst(Frame.headerBytes)
        // copies: a frame that is kept must not keep the buffer
        let frame = Frame(
            type: type, metadata: Data(content.prefix(metadataBytes)),
            payload: Data(content.dropFirst(metadataBytes).prefix(payloadBytes)))
        taken += end
        return frame
    }
}

extension Data {
    fileprivate mutating func appendLittleEndian<Value: FixedWidthInteger>(_ value: Value) {
        for shift in stride(from: 0, to: Value.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> Value(shift)))
        }
    }

    fileprivate func littleEndian<Value: FixedWidthInteger>(at offset: Int) -> Value {
        var value: Value = 0
        for index in 0..<(Value.bitWidth / 8) {
            value |= Value(self[startIndex + offset + index]) << Value(8 * index)
        }
        return value
    }
}
