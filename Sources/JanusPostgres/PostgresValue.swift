package import Foundation

/// A parameter of a statement. The statement casts it (`$1::bigint[]`), so no type goes over the wire.
package enum PostgresValue: Sendable {
    case null
    case text(String)
    case int(Int64)
    case double(Double)
    case bool(Bool)
    case uuid(UUID)
    /// Travels in binary form: the parameter's type must be bytea.
    case bytes(Data)
    case ints([Int64])
    case texts([String])
    case uuids([UUID])

    package static func int(_ value: Int) -> PostgresValue { .int(Int64(value)) }

    package static func text(orNull value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }

    package static func int(orNull value: Int?) -> PostgresValue { value.map { .int(Int64($0)) } ?? .null }

    /// `value` as JSON text, keys sorted. A NUL in a string, which jsonb refuses, becomes a replacement character.
    package static func json(_ value: some Encodable) throws(PostgresError) -> PostgresValue {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return .text(String(decoding: replacingNUL(in: try encoder.encode(value)), as: UTF8.self))
        } catch {
            throw .unexpectedResult("a parameter cannot be encoded as JSON: \(error)")
        }
    }

    private static func replacingNUL(in json: Data) -> Data {
        var bytes = Array(json)
        var index = bytes.startIndex
        while let escape = bytes[index...].firstIndex(of: UInt8(ascii: "\\")) {
            if bytes[escape...].starts(with: #"\u0000"#.utf8) {
                bytes.replaceSubrange(escape..<escape + 6, with: #"\ufffd"#.utf8)
            }
            // a backslash that is escaped itself begins nothing
            index = escape + 2
        }
        return Data(bytes)
    }

    /// What libpq sends: nothing for NULL, else text or, for bytea, the bytes.
    var wire: Wire? {
        switch self {
        case .null: nil
        case .text(let value): Wire(text: value)
        case .int(let value): Wire(text: String(value))
        case .double(let value):
            Wire(text: value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)")
        case .bool(let value): Wire(text: value ? "t" : "f")
        case .uuid(let value): Wire(text: value.uuidString)
        case .bytes(let value): Wire(bytes: value, isBinary: true)
        case .ints(let values): Wire(text: "{" + values.map(String.init).joined(separator: ",") + "}")
        case .uuids(let values): Wire(text: "{" + values.map(\.uuidString).joined(separator: ",") + "}")
        case .texts(let values): Wire(text: "{" + values.map(Self.quoted).joined(separator: ",") + "}")
        }
    }

    struct Wire {
        var bytes: Data
        var isBinary: Bool

        init(bytes: Data, isBinary: Bool) {
            self.bytes = bytes
            self.isBinary = isBinary
        }

        /// PostgreSQL's text has no NUL, and libpq would end there: a replacement character stands for it.
        init(text: String) {
            let storable = text.utf8.contains(0) ? text.replacingOccurrences(of: "\0", with: "\u{FFFD}") : text
            self.init(bytes: Data(storable.utf8), isBinary: false)
        }
    }

    /// An element of an array literal.
    private static func quoted(_ element: String) -> String {
        var text = "\""
        for character in element.unicodeScalars {
            if character == "\"" || character == "\\" { text.unicodeScalars.append("\\") }
            text.unicodeScalars.append(character)
        }
        return text + "\""
    }
}
