/// Arguments of `janus.understand` and `janus.chat`, resolved.
package struct AnswerParameters: Codable, Sendable, Equatable {
    package var messages: [ChatMessage]
    /// nil takes the model's own system prompt.
    package var systemPrompt: String?
    /// The answer ends after this many tokens at the latest.
    package var maxTokens: Int
    /// Divides the logits before drawing; 0 takes the most likely token.
    package var temperature: Float
    /// Draw from the smallest set of most likely tokens whose probabilities reach this; 1 draws from all.
    package var topP: Float
    @DecimalString package var seed: Int64
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

    private enum CodingKeys: String, CodingKey {
        case messages, temperature, seed, stop
        case systemPrompt = "system_prompt"
        case maxTokens = "max_tokens"
        case topP = "top_p"
    }

    /// The greatest that setting `max_tokens_max` can allow.
    package static let maxTokensMax = 1 << 20

    /// What no model would take; nil: nothing is wrong.
    package var fault: String? {
        if let fault = faultOfMessages { return fault }
        guard (1...Self.maxTokensMax).contains(maxTokens) else {
            return "max_tokens is \(maxTokens), must be at least 1 and at most \(Self.maxTokensMax)"
        }
        guard temperature.isFinite, temperature >= 0, topP > 0 else {
            return "temperature is \(temperature) and top_p \(topP): the one must be finite and not negative, "
                + "the other more than 0"
        }
        return nil
    }

    private var faultOfMessages: String? {
        guard !messages.isEmpty else { return "the conversation has no message" }
        for (index, message) in messages.enumerated() {
            let expected: ChatMessage.Role = index.isMultiple(of: 2) ? .user : .assistant
            guard message.role == expected else {
                return
                    "message \(index) is the \(message.role.rawValue)'s: turns must alternate, beginning with the user's"
            }
            guard (0...inputImagesMax).contains(message.images) else {
                return "message \(index) has \(message.images) images, must have 0 to \(inputImagesMax)"
            }
        }
        guard messages.count % 2 == 1 else { return "the last message must be the user's" }
        return nil
    }
}

/// Pictures that one job may have; the database's own limit is not higher.
package let inputImagesMax = 64
/// Bytes that the pictures of one job may have together, as they come: what a worker has memory for, a job beside each other.
package let inputBytesMax = 512 << 20

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
