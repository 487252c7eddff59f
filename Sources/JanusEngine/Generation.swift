package import Foundation
import JanusImage
package import JanusJob
import JanusModel
import JanusTensor
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

extension Engine {
    /// Draws images from a text.
    ///
    /// A step: logits = u + w·(c − u) of a conditional and an unconditional row, divided by the temperature; draw; both
    /// rows receive the token. The unconditional prompt is the conditional one with every position but the first and the
    /// last replaced by pad.
    /// - Throws: `stopped`, or `failed` with invalidRequest, promptTooLong or internalError.
    package func generate(
        _ parameters: GenerateParameters, observer: EngineObserver = { _ in true }
    ) throws(Interruption) -> (images: [GeneratedImage], usage: JobUsage) {
        try observed(observer) { run throws(Interruption) in
            try run.enter(.preparing)
            let prompt = try generationPrompt(parameters)
            let steps = configuration.generationTokens
            let groups = imageGroups(parameters, positions: prompt.count + steps)
            run.begin(
                stepsTotal: Self.prefillChunks(prompt.count) * (parameters.usesGuidance ? 2 : 1) * groups.count
                    + steps * groups.count + parameters.images)

            var usage = JobUsage(promptTokens: prompt.count)
            var images: [GeneratedImage] = []
            for group in groups {
                let tokens = try draw(prompt, images: group, parameters, run: run, usage: &usage)
                for (index, tokens) in zip(group, tokens) {
                    images.append(
                        try decode(tokens, index: index, parameters, run: run, seconds: &usage.decodingSeconds))
                    usage.images += 1
                    usage.outputTokens += tokens.count
                }
            }
            return (images, usage)
        }
    }

    private func generationPrompt(_ parameters: GenerateParameters) throws(Interruption) -> [Int32] {
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
        try checkContext(promptTokens: prompt.ids.count, pictures: 0, room: configuration.generationTokens)
        return prompt.ids
    }

    /// As many images at once as the cache's memory allows; at least one.
    private func imageGroups(_ parameters: GenerateParameters, positions: Int) -> [Range<Int>] {
        let imageBytes = configuration.cacheBytesPerPosition * positions * parameters.rowsPerImage
        let size = min(max(options.cacheBytesMax / max(imageBytes, 1), 1), parameters.images)
        return stride(from: 0, to: parameters.images, by: size).map { $0..<min($0 + size, parameters.images) }
    }

    /// - Returns: the tokens of each image of the group.
    private func draw(
        _ prompt: [Int32], images: Range<Int>, _ parameters: GenerateParameters, run: EngineRun, usage: inout JobUsage
    ) throws(Interruption) -> [[Int32]] {
        let steps = configuration.generationTokens
        let rowsPerImage = parameters.rowsPerImage
        let cache = KVCache(
            configuration, rows: images.count * rowsPerImage, positionsMax: prompt.count + steps)
        try run.enter(.prefill)
        var hidden = try prefillGeneration(prompt, parameters, cache: cache, run: run, seconds: &usage.prefillSeconds)

        try run.enter(.drawing)
        let sampler = TokenSampler(seed: parameters.seed, domain: .image, temperature: parameters.temperature)
        let spans = (0..<cache.lengths.count).map { JanusModel.Span(row: $0) }
        var drawn = [[Int32]](repeating: [], count: images.count)
        for position in 0..<steps {
            let logits = model.imageLogits(hidden)
            for (slot, image) in images.enumerated() {
                let guided = guidedLogits(logits, slot: slot, parameters)
                guard let token = sampler.draw(guided, image: image, position: position, topK: parameters.topK) else {
                    throw .failed(JobError(.internalError, "the model's logits are not numbers", retryable: false))
                }
                drawn[slot].append(Int32(token))
            }
            // The last token needs no successor.
            if position + 1 < steps {
                let tokens = drawn.flatMap { [Int32](repeating: $0[position], count: rowsPerImage) }
                hidden = try run.timed(&usage.drawingSeconds) { () throws(ModelError) -> Matrix in
                    try model.forward(model.embed(imageTokens: tokens), spans: spans, cache: cache)
                }
            }
            try run.advance()
        }
        return drawn
    }

    /// Both prompts once; every image's rows start as their copies.
    /// - Returns: [rows, hidden]: each image's conditional row, and with guidance its unconditional one.
    private func prefillGeneration(
        _ prompt: [Int32], _ parameters: GenerateParameters, cache: KVCache, run: EngineRun, seconds: inout Double
    ) throws(Interruption) -> Matrix {
        var prompts = [prompt]
        if parameters.usesGuidance {
            var unconditional = prompt
            for index in prompt.indices.dropFirst().dropLast() { unconditional[index] = tokenizer.specials.pad }
            prompts.append(unconditional)
        }
        let hidden = Matrix(rows: cache.lengths.count, columns: configuration.hiddenSize)
        for (row, prompt) in prompts.enumerated() {
            let embeddings = try run.timed(&seconds) { () throws(ModelError) -> Matrix in
                try model.embed(tokens: prompt)
            }
            let last = try prefill(embeddings, row: row, cache: cache, run: run, seconds: &seconds)
            for target in stride(from: row, to: cache.lengths.count, by: prompts.count) {
                if target != row { cache.copyRow(row, to: target) }
                hidden[target..<(target + 1)].copy(from: last)
            }
        }
        return hidden
    }

    private func guidedLogits(_ logits: Matrix, slot: Int, _ parameters: GenerateParameters) -> [Float] {
        guard parameters.usesGuidance else { return logits.row(slot) }
        let weight = parameters.cfgWeight
        return zip(logits.row(2 * slot), logits.row(2 * slot + 1)).map { conditional, unconditional in
            unconditional + weight * (conditional - unconditional)
        }
    }

    private func decode(
        _ tokens: [Int32], index: Int, _ parameters: GenerateParameters, run: EngineRun, seconds: inout Double
    ) throws(Interruption) -> GeneratedImage {
        try run.enter(.decoding)
        let pixels = try run.timed(&seconds) { () throws(ModelError) -> Matrix in
            try model.decodeImage(tokens: tokens)
        }
        let side = configuration.tokenizer.imageSize
        let image = RGBImage(width: side, height: side, pixels: JanusModel.bytes(pixels: pixels))
        let metadata = ImageMetadata(prompt: parameters.prompt, seed: parameters.seed, model: name, index: index)
        do {
            let file = try image.encoded(as: PictureFormat(parameters.format), metadata: metadata)
            try run.advance()
            return GeneratedImage(
                index: index, format: parameters.format, width: side, height: side, file: file, tokens: tokens)
        } catch let error as ImageError {
            throw .failed(JobError(.internalError, error.description))
        } catch let error as Interruption {
            throw error
        } catch {
            throw .failed(JobError(.internalError, "\(error)"))
        }
    }
}

extension GenerateParameters {
    /// Guidance of weight 1 is the conditional row alone.
    fileprivate var usesGuidance: Bool { cfgWeight != 1 }
    fileprivate var rowsPerImage: Int { usesGuidance ? 2 : 1 }
}

extension PictureFormat {
    fileprivate init(_ format: ImageFormat) {
        switch format {
        case .png: self = .png
        case .jpeg: self = .jpeg
        case .webp: self = .webp
        }
    }
}
