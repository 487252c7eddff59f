/// A piece of a prompt. Ordinary text and special tokens are kept apart from the start, so that text which looks like a
/// special token stays text.
package enum PromptSegment: Sendable, Equatable {
    case text(String)
    case special(SpecialToken)
    /// Stands for begin_of_image, the picture's features, end_of_image.
    case picture
}

/// One turn of a conversation as the template sees it.
package struct PromptTurn: Sendable, Equatable {
    package enum Role: String, Sendable {
        case user = "<|User|>"
        case assistant = "<|Assistant|>"
    }

    package var role: Role
    package var content: String
    /// Pictures that stand before the content, each on a line of its own.
    package var pictures: Int

    package init(role: Role, content: String, pictures: Int = 0) {
        self.role = role
        self.content = content
        self.pictures = pictures
    }
}

/// Janus-Pro's prompts, as the official code renders them (its DeepSeek conversation style).
package enum PromptTemplate {
    /// What the official code puts before every conversation.
    package static let systemPrompt =
        "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
        + "provides, and assist the user with a variety of tasks using natural language."

    /// A conversation, ending where the assistant is to answer. BOS is not part of it.
    /// - Parameters:
    ///   - turns: the separators alternate by index, so a user's turns should be the even ones.
    ///   - system: empty for none.
    package static func conversation(_ turns: [PromptTurn], system: String = systemPrompt) -> [PromptSegment] {
        var prompt = PromptBuilder()
        if !system.isEmpty { prompt.append(text: system + "\n\n") }
        for (index, turn) in (turns + [PromptTurn(role: .assistant, content: "")]).enumerated() {
            let message = message(of: turn)
            guard !message.isEmpty else {
                prompt.append(text: turn.role.rawValue + ":")
                continue
            }
            prompt.append(text: turn.role.rawValue + ": ")
            for segment in message { prompt.append(segment) }
            if index.isMultiple(of: 2) { prompt.append(text: "\n\n") } else { prompt.append(.special(.endOfSentence)) }
        }
        // The official code strips the whole prompt; it ends in a colon, so only its beginning can change.
        if case .text(let first) = prompt.segments.first { prompt.segments[0] = .text(first.strippingLeadingSpace) }
        return prompt.segments
    }

    /// The prompt from which an image is drawn. BOS is not part of it.
    package static func generation(_ prompt: String) -> [PromptSegment] {
        conversation([PromptTurn(role: .user, content: prompt)], system: "") + [.special(.beginOfImage)]
    }

    /// The ids of a generation's prompt for the row without a condition: all but the first (BOS) and the last (begin of
    /// image) become pad.
    package static func unconditional(_ prompt: [Int32], pad: Int32) -> [Int32] {
        prompt.indices.map { $0 == prompt.startIndex || $0 == prompt.endIndex - 1 ? prompt[$0] : pad }
    }

    /// The text with which a conversation of one user's turn ends, where the assistant is to answer.
    package static let answerBegins = "\n\n" + PromptTurn.Role.assistant.rawValue + ":"

    /// What the official code's string for these segments looks like.
    package static func text(of segments: [PromptSegment]) -> String {
        segments.map { segment in
            switch segment {
            case .text(let text): text
            case .special(let token): token.content
            case .picture: SpecialToken.imagePlaceholder.content
            }
        }.joined()
    }

    /// A turn's pictures and content, stripped together: the content's leading space survives behind a picture, and an
    /// empty content takes the last picture's line feed with it.
    private static func message(of turn: PromptTurn) -> [PromptSegment] {
        var message = PromptBuilder()
        let content =
            turn.pictures > 0
            ? turn.content.strippingTrailingSpace : turn.content.strippingTrailingSpace.strippingLeadingSpace
        for index in 0..<max(turn.pictures, 0) {
            if index > 0 { message.append(text: "\n") }
            message.append(.picture)
        }
        if !content.isEmpty { message.append(text: turn.pictures > 0 ? "\n" + content : content) }
        return message.segments
    }
}

/// Joins neighbouring texts: they are encoded together.
private struct PromptBuilder {
    var segments: [PromptSegment] = []

    mutating func append(text: String) { append(.text(text)) }

    mutating func append(_ segment: PromptSegment) {
        if case .text(let text) = segment, case .text(let before) = segments.last {
            segments[segments.count - 1] = .text(before + text)
        } else {
            segments.append(segment)
        }
    }
}

extension String {
    /// Python's `str.lstrip()`.
    package var strippingLeadingSpace: String {
        String(unicodeScalars.drop(while: \.isPythonSpace))
    }

    /// Python's `str.rstrip()`.
    package var strippingTrailingSpace: String {
        var scalars = unicodeScalars[...]
        while let last = scalars.last, last.isPythonSpace { scalars.removeLast() }
        return String(scalars)
    }
}

extension Unicode.Scalar {
    /// What Python's `str.isspace()` takes for white space.
    fileprivate var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }
}
