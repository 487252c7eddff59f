/// What a job asks for, as the row's `kind` names it.
package enum JobKind: String, Codable, Sendable, CaseIterable {
    case generate
    case understand
    case chat
}

/// The work itself, independent of queue and delivery: what a worker needs besides the input pictures.
package enum JobTask: Codable, Sendable, Equatable {
    /// Text to images.
    case generate(GenerateParameters)
    /// A conversation, possibly with pictures, to text. Serves both `understand` and `chat`.
    case answer(AnswerParameters)
}

/// Arguments of `janus.generate`, resolved.
package struct GenerateParameters: Codable, Sendable, Equatable {
    package var prompt: String
    /// How many images to draw, ≥ 1; image `i` draws from the generator keyed (seed, i, position).
    package var images: Int
    package var seed: Int64
    /// Guidance weight w of u + w·(c − u); 1 means no guidance.
    package var cfgWeight: Float
    /// Divides the logits before drawing; 0 takes the most likely token.
    package var temperature: Float
    /// Draw only from the k most likely tokens; 0 draws from all.
    package var topK: Int
    package var format: ImageFormat

    package init(
        prompt: String, images: Int, seed: Int64, cfgWeight: Float = 5, temperature: Float = 1, topK: Int = 0,
        format: ImageFormat = .png
    ) {
        self.prompt = prompt
        self.images = images
        self.seed = seed
        self.cfgWeight = cfgWeight
        self.temperature = temperature
        self.topK = topK
        self.format = format
    }
}

/// Arguments of `janus.understand` and `janus.chat`, resolved.
package struct AnswerParameters: Codable, Sendable, Equatable {
    package var messages: [ChatMessage]
    /// nil takes the model's own system prompt.
    package var systemPrompt: String?
    /// The answer ends after this many tokens at the latest, ≥ 1.
    package var maxTokens: Int
    /// Divides the logits before drawing; 0 takes the most likely token.
    package var temperature: Float
    /// Draw from the smallest set of most likely tokens whose probabilities reach this; 1 draws from all.
    package var topP: Float
    package var seed: Int64
    /// The answer ends before the first of these strings.
    package var stop: [String]

    package init(
        messages: [ChatMessage], systemPrompt: String? = nil, maxTokens: Int = 512, temperature: Float = 0,
        topP: Float = 1, seed: Int64 = 0, stop: [String] = []
    ) {
        self.messages = messages
        self.systemPrompt = systemPrompt
        self.maxTokens = maxTokens
        self.temperature = temperature
        self.topP = topP
        self.seed = seed
        self.stop = stop
    }
}

/// One turn of a conversation.
package struct ChatMessage: Codable, Sendable, Equatable {
    package enum Role: String, Codable, Sendable {
        case user
        case assistant
    }

    package var role: Role
    package var content: String
    /// How many of the job's pictures, taken in order, stand before this message's text.
    package var images: Int

    package init(role: Role, content: String, images: Int = 0) {
        self.role = role
        self.content = content
        self.images = images
    }
}

/// Encodings of a drawn image.
package enum ImageFormat: String, Codable, Sendable, CaseIterable {
    case png
    case jpeg
    case webp

    package var mediaType: String { "image/\(rawValue)" }
    package var fileExtension: String { self == .jpeg ? "jpg" : rawValue }
}
