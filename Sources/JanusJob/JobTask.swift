package import Foundation

/// What a job asks for, as the row's `kind` names it.
package enum JobKind: String, Codable, Sendable, CaseIterable {
    case generate
    case understand
    case chat
}

/// The work itself, independent of queue and delivery: what a worker needs besides the input pictures.
///
/// As JSON it is one object, on the row as on the wire: the parameters, and `kind` beside them.
package enum JobTask: Sendable, Equatable {
    /// Text to images.
    case generate(GenerateParameters)
    /// A question, with pictures or without, to text.
    case understand(AnswerParameters)
    /// A conversation, possibly with pictures, to text.
    case chat(AnswerParameters)

    package var kind: JobKind {
        switch self {
        case .generate: .generate
        case .understand: .understand
        case .chat: .chat
        }
    }

    /// Files that a success publishes.
    package var outputCount: Int {
        switch self {
        case .generate(let parameters): parameters.images
        case .understand, .chat: 1
        }
    }
}

extension JobTask: Codable {
    private enum CodingKeys: String, CodingKey {
        case kind
    }

    package init(from decoder: any Decoder) throws {
        switch try decoder.container(keyedBy: CodingKeys.self).decode(JobKind.self, forKey: .kind) {
        case .generate: self = .generate(try GenerateParameters(from: decoder))
        case .understand: self = .understand(try AnswerParameters(from: decoder))
        case .chat: self = .chat(try AnswerParameters(from: decoder))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .kind)
        switch self {
        case .generate(let parameters): try parameters.encode(to: encoder)
        case .understand(let parameters), .chat(let parameters): try parameters.encode(to: encoder)
        }
    }
}

extension JobTask {
    /// Reads a row's task.
    /// - Throws: `invalidRequest` with the key and what is wrong with it: of the JSON, or as `fault` says.
    package init(json: Data) throws(JobError) {
        do {
            self = try JSONDecoder().decode(JobTask.self, from: json)
        } catch let error as DecodingError {
            throw JobError(.invalidRequest, "the job's arguments cannot be read: \(error.placeAndReason)")
        } catch {
            throw JobError(.invalidRequest, "the job's arguments cannot be read: \(error)")
        }
        if let fault { throw JobError(.invalidRequest, fault) }
    }

    /// What is wrong with the parameters, as far as that needs no model; nil: nothing.
    package var fault: String? {
        switch self {
        case .generate(let parameters): parameters.fault
        case .understand(let parameters), .chat(let parameters): parameters.fault
        }
    }
}

extension DecodingError {
    /// "messages[0].role: …".
    fileprivate var placeAndReason: String {
        if case .keyNotFound(let key, let context) = self {
            return Self.text(context.codingPath + [key]) + " is missing"
        }
        if case .typeMismatch(_, let context) = self { return Self.text(context) }
        if case .valueNotFound(_, let context) = self { return Self.text(context) }
        if case .dataCorrupted(let context) = self {
            // the decoder says so of a number that is too great, too, and neither which nor where
            return Self.text(context) + (context.codingPath.isEmpty ? " Or a number in it is too great." : "")
        }
        return "\(self)"
    }

    private static func text(_ context: Context) -> String {
        let place = text(context.codingPath)
        return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
    }

    private static func text(_ path: [any CodingKey]) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
    }
}

/// An integer that is a string in JSON: numbers beyond 2^53 do not survive every reader.
@propertyWrapper
package struct DecimalString: Codable, Sendable, Equatable {
    package var wrappedValue: Int64

    package init(wrappedValue: Int64) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Int64(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text.prefix(40))' is no integer")
        }
        wrappedValue = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(wrappedValue))
    }
}
