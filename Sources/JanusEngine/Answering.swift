package import Foundation
import JanusImage
package import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// A text that the model wrote.
package struct Answer: Sendable, Equatable {
    package var text: String
    package var finishReason: FinishReason
    /// As drawn, the end token included.
    package var tokens: [Int32]
    package var usage: JobUsage
}

extension Engine {
    /// Answers the last message of a conversation.
    /// - Parameters:
    ///   - pictures: files, in the order of the messages that they belong to.
    ///   - emit: told each part of the text as soon as it is certain.
    /// - Throws: `stopped`, or `failed` with invalidRequest, invalidImage, inputTooLarge, promptTooLong, internalError.
    package func answer(
        _ parameters: AnswerParameters, pictures: [Data] = [], observer: EngineObserver = { _ in true },
        emit: (String) -> Void = { _ in }
    ) throws(Interruption) -> Answer {
        try observed(observer) { run throws(Interruption) in
            try run.enter(.preparing)
            try check(parameters, pictureCount: pictures.count)
            let prompt = tokenizer.encode(
                PromptTemplate.conversation(
                    parameters.messages.map(PromptTurn.init),
                    system: parameters.systemPrompt ?? PromptTemplate.systemPrompt),
                pictureTokens: configuration.imageTokens)
            try checkContext(
                promptTokens: prompt.ids.count, pictures: pictures.count, room: parameters.maxTokens)
            run.begin(
                stepsTotal: pictures.count + Self.prefillChunks(prompt.ids.count) + parameters.maxTokens)

            var usage = JobUsage(promptTokens: prompt.ids.count)
            var inputs: [[Float]] = []
            for (index, picture) in pictures.enumerated() {
                inputs.append(try encoderInput(picture, index: index))
                if run.wantsToStop { throw .stopped }
            }
            try run.enter(.prefill)
            let embeddings = try embed(prompt, inputs, run: run, seconds: &usage.prefillSeconds)
            let cache = KVCache(
                configuration, rows: 1, positionsMax: prompt.ids.count + parameters.maxTokens)
            let hidden = try prefill(embeddings, row: 0, cache: cache, run: run, seconds: &usage.prefillSeconds)
            try run.enter(.drawing)
            return try write(parameters, after: hidden, cache: cache, run: run, usage: usage, emit: emit)
        }
    }

    private func check(_ parameters: AnswerParameters, pictureCount: Int) throws(Interruption) {
        func refuse(_ message: String) -> Interruption { .failed(JobError(.invalidRequest, message)) }
        guard !parameters.messages.isEmpty else { throw refuse("the conversation has no message") }
        for (index, message) in parameters.messages.enumerated() {
            let expected: ChatMessage.Role = index.isMultiple(of: 2) ? .user : .assistant
            guard message.role == expected else {
                throw refuse(
                    "message \(index) is the \(message.role.rawValue)'s: turns must alternate, beginning with the user's"
                )
            }
            guard message.images >= 0 else { throw refuse("message \(index) has \(message.images) images") }
        }
        guard parameters.messages.count % 2 == 1 else { throw refuse("the last message must be the user's") }
        let named = parameters.messages.map(\.images).reduce(0, +)
        guard named == pictureCount else {
            throw refuse("the messages name \(named) images, the job has \(pictureCount)")
        }
        guard parameters.maxTokens >= 1 else {
            throw refuse("max_tokens is \(parameters.maxTokens), must be at least 1")
        }
        guard parameters.temperature.isFinite, parameters.temperature >= 0, parameters.topP > 0 else {
            throw refuse("temperature must be finite and not negative, top_p more than 0")
        }
    }

    private func encoderInput(_ file: Data, index: Int) throws(Interruption) -> [Float] {
        do {
            return preprocessor.normalized(
                preprocessor.resized(try RGBImage(decoding: file, limits: options.imageLimits)))
        } catch {
            throw .failed(
                JobError(error.isLimit ? .inputTooLarge : .invalidImage, "image \(index): \(error.description)"))
        }
    }

    private func embed(
        _ prompt: EncodedPrompt, _ inputs: [[Float]], run: EngineRun, seconds: inout Double
    ) throws(Interruption) -> Matrix {
        var pictures: [Matrix] = []
        for input in inputs {
            pictures.append(
                try run.timed(&seconds) { () throws(ModelError) -> Matrix in try model.imageEmbeddings(pixels: input) })
            try run.advance()
        }
        return try run.timed(&seconds) { () throws(ModelError) -> Matrix in
            try model.embed(
                tokens: prompt.ids, placeholder: tokenizer.specials.imagePlaceholder, pictures: pictures)
        }
    }

    private func write(
        _ parameters: AnswerParameters, after prefilled: Matrix, cache: KVCache, run: EngineRun, usage: JobUsage,
        emit: (String) -> Void
    ) throws(Interruption) -> Answer {
        let sampler = TokenSampler(seed: parameters.seed, domain: .text, temperature: parameters.temperature)
        var answer = Answer(text: "", finishReason: .length, tokens: [], usage: usage)
        var decoder = TokenDecoder(tokenizer)
        var stops = StopStrings(parameters.stop)
        func give(_ text: String) {
            answer.text += text
            if !text.isEmpty { emit(text) }
        }

        var hidden = prefilled
        while answer.tokens.count < parameters.maxTokens {
            let logits = model.textLogits(hidden).row(0)
            guard let drawn = sampler.draw(logits, position: answer.tokens.count, topP: parameters.topP) else {
                throw .failed(JobError(.internalError, "the model's logits are not numbers", retryable: false))
            }
            let token = Int32(drawn)
            answer.tokens.append(token)
            if token == tokenizer.specials.endOfSentence {
                answer.finishReason = .stop
                break
            }
            give(stops.append(decoder.append(token)))
            if stops.isStopped { break }
            if answer.tokens.count < parameters.maxTokens {
                hidden = try run.timed(&answer.usage.drawingSeconds) { () throws(ModelError) -> Matrix in
                    try model.forward(model.embed(tokens: [token]), spans: [.init(row: 0)], cache: cache)
                }
            }
            try run.advance()
        }
        give(stops.append(decoder.finish()))
        give(stops.finish())
        if stops.isStopped { answer.finishReason = .stop }
        answer.usage.outputTokens = answer.tokens.count
        return answer
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
