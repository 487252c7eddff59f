import Foundation

/// Metadata as an XMP packet (ISO 16684-1): the one place that JPEG and WebP have in common.
struct XMPPacket {
    let xml: String

    /// An APP1 marker's content is at most 65,533 bytes, the namespace before the packet included.
    static let bytesMax = 65_000
    private static let jpegNamespace = Array("http://ns.adobe.com/xap/1.0/\0".utf8)

    init(_ metadata: ImageMetadata) {
        func packet(prompt: String) -> String {
            """
            <?xpacket begin="\u{FEFF}" id="W5M0MpCehiHzreSzNTczkc9d"?>\
            <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
            <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" \
            xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:janus="urn:janusd:image" \
            xmp:CreatorTool="\(ImageMetadata.software)" janus:seed="\(metadata.seed)" \
            janus:model="\(Self.escaped(metadata.model))" janus:index="\(metadata.index)">\
            <dc:description><rdf:Alt><rdf:li xml:lang="x-default">\(prompt)</rdf:li></rdf:Alt></dc:description>\
            </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>
            """
        }
        // A prompt beyond what a marker holds is cut rather than left out.
        var room = Self.bytesMax - packet(prompt: "").utf8.count
        var prompt = ""
        for scalar in metadata.prompt.unicodeScalars {
            let text = Self.escaped(String(scalar))
            room -= text.utf8.count
            guard room >= 0 else { break }
            prompt += text
        }
        xml = packet(prompt: prompt)
    }

    /// Characters that XML 1.0 cannot carry, even escaped, become U+FFFD.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\t", "\n", "\r": result += "&#\(scalar.value);"
            case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// The content of a JPEG's APP1 marker.
    var app1: [UInt8] { Self.jpegNamespace + Array(xml.utf8) }

    /// Makes an extended WebP file (VP8X, picture, XMP) of a simple one.
    static func embed(_ metadata: ImageMetadata?, inWebP file: Data, width: Int, height: Int) -> Data {
        guard let metadata else { return file }
        let riffHeaderBytes = 12
        let hasXMP: UInt32 = 1 << 2
        var chunks = Data("WEBP".utf8)
        var features = Data()
        features.append(littleEndian: hasXMP, bytes: 4)
        features.append(littleEndian: UInt32(width - 1), bytes: 3)
        features.append(littleEndian: UInt32(height - 1), bytes: 3)
        chunks.append(chunk: "VP8X", features)
        chunks.append(file.dropFirst(riffHeaderBytes))
        chunks.append(chunk: "XMP ", Data(XMPPacket(metadata).xml.utf8))
        var result = Data()
        result.append(chunk: "RIFF", chunks)
        return result
    }
}

extension Data {
    fileprivate mutating func append(littleEndian value: UInt32, bytes: Int) {
        for index in 0..<bytes { append(UInt8(truncatingIfNeeded: value >> UInt32(8 * index))) }
    }

    /// A RIFF chunk: name, size, content, a zero where the size is odd.
    fileprivate mutating func append(chunk name: String, _ content: Data) {
        append(contentsOf: name.utf8)
        append(littleEndian: UInt32(content.count), bytes: 4)
        append(content)
        if !content.count.isMultiple(of: 2) { append(0) }
    }
}
