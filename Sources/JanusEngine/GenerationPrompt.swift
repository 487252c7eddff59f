package import Foundation
import JanusImage
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
        guard parameters.images >= 1 else {
            throw .failed(JobError(.invalidRequest, "images is \(parameters.images), must be at least 1"))
        }
        guard parameters.cfgWeight.isFinite, parameters.temperature.isFinite, parameters.temperature >= 0 else {
            throw .failed(
                JobError(.invalidRequest, "cfg_weight and temperature must be finite, temperature not negative"))
        }
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

extension PictureFormat {
    init(_ format: ImageFormat) {
        switch format {
        case .png: self = .png
        case .jpeg: self = .jpeg
        case .webp: self = .webp
        }
    }
}
