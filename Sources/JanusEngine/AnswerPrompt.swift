import Foundation
import JanusImage
package import JanusJob
import JanusModel
import JanusText

/// A text that the model wrote.
package struct Answer: Sendable, Equatable {
    package var text: String
    package var finishReason: FinishReason
    /// As drawn, the end token included.
    package var tokens: [Int32]
    package var usage: JobUsage
}

extension EngineParts {
    /// - Throws: `failed` with invalidRequest or promptTooLong.
    func answerPrompt(_ parameters: AnswerParameters, pictureCount: Int) throws(Interruption) -> EncodedPrompt {
        try check(parameters, pictureCount: pictureCount)
        let prompt = tokenizer.encode(
            PromptTemplate.conversation(
                parameters.messages.map(PromptTurn.init),
                system: parameters.systemPrompt ?? PromptTemplate.systemPrompt),
            pictureTokens: configuration.imageTokens)
        try checkContext(promptTokens: prompt.ids.count, pictures: pictureCount, outputTokens: parameters.maxTokens)
        return prompt
    }

    /// - Returns: what the encoder takes.
    /// - Throws: `failed` with invalidImage or inputTooLarge.
    func encoderInput(_ file: Data, index: Int) throws(Interruption) -> [Float] {
        do {
            return preprocessor.normalized(
                preprocessor.resized(try RGBImage(decoding: file, limits: options.imageLimits)))
        } catch {
            throw .failed(
                JobError(error.isLimit ? .inputTooLarge : .invalidImage, "image \(index): \(error.description)"))
        }
    }

    private func check(_ parameters: AnswerParameters, pictureCount: Int) throws(Interruption) {
        if let fault = parameters.fault { throw .failed(JobError(.invalidRequest, fault)) }
        let named = parameters.messages.map(\.images).reduce(0, +)
        guard named == pictureCount else {
            throw .failed(
                JobError(.invalidRequest, "the messages name \(named) images, the job has \(pictureCount)"))
        }
    }
}

extension PromptTurn {
    fileprivate init(_ message: ChatMessage) {
        let role: Role =
            switch message.role {
            case .user: .user
            case .assistant: .assistant
            }
        self.init(role: role, content: message.content, pictures: message.images)
    }
}
