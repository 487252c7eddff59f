package import Foundation
package import JanusJob
import JanusModel
import JanusText

/// One drawn picture as a file.
package struct GeneratedImage: Sendable, Equatable {
    package var index: Int
    package var format: ImageFormat
    package var width: Int
    package var height: Int
    package var file: Data
    /// What it was drawn as.
    package var tokens: [Int32]
}

extension EngineParts {
    /// - Throws: `failed` with invalidRequest or promptTooLong.
    func generationPrompt(_ parameters: GenerateParameters) throws(Interruption) -> [Int32] {
        guard !parameters.prompt.strippingTrailingSpace.isEmpty else {
            throw .failed(JobError(.invalidRequest, "the prompt is empty"))
        }
        if let fault = parameters.fault { throw .failed(JobError(.invalidRequest, fault)) }
        let prompt = tokenizer.encode(
            PromptTemplate.generation(parameters.prompt), pictureTokens: configuration.imageTokens)
        try checkContext(promptTokens: prompt.ids.count, pictures: 0, outputTokens: configuration.generationTokens)
        return prompt.ids
    }
}

extension GenerateParameters {
    /// Guidance of weight 1 is the conditional row alone.
    var usesGuidance: Bool { cfgWeight != 1 }
}
