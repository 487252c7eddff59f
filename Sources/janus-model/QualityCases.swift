import Foundation
import JanusEngine
import JanusImage
import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// What a precision is judged on: pictures that the f32 model draws from prompts, and answers that it gives to questions
/// about them. Every model then computes its logits for exactly these tokens, whatever it would have chosen itself.
struct QualityCases {
    /// A prompt with an answer behind it.
    struct Answer {
        /// For people: the question, and the prompt of the picture.
        var name: String
        /// Pixels as the encoder takes them; at most one picture.
        var picture: [Float]?
        var ids: [Int32]
        var promptCount: Int
    }

    /// A prompt and the tokens of a picture.
    struct Drawing {
        /// For people: the prompt in words.
        var name: String
        var prompt: [Int32]
        var tokens: [Int32]
    }

    private(set) var answers: [Answer] = []
    private(set) var drawings: [Drawing] = []
    private let tokenizer: Tokenizer

    private static let answerTokensMax = 48
    private static let guidance: Float = 5
    private static let chat = "Which colour do you get from blue and yellow? Explain it in one sentence."

    /// - Parameters:
    ///   - model: in f32.
    ///   - prompts: what to draw.
    ///   - questions: about each of the pictures.
    ///   - progress: told the fraction that is done.
    /// - Throws: `QualityError` where a value is not finite or no token can be drawn.
    init(
        _ model: JanusModel, _ tokenizer: Tokenizer, _ preprocessor: ImagePreprocessor, prompts: [String],
        questions: [String], seed: Int64,
        progress: (Double) -> Void
    ) throws {
        self.tokenizer = tokenizer
        let subject = QualitySubject(name: "f32", model: model)
        drawings = try draw(subject, prompts, seed: seed, progress)
        let side = model.configuration.imageSize
        for drawing in drawings {
            let picture = preprocessor.normalized(
                preprocessor.resized(
                    RGBImage(width: side, height: side, pixels: try picture(of: drawing, by: subject))))
            for question in questions {
                answers.append(
                    try answer(subject, question, picture, name: "\"\(question)\" about \"\(drawing.name)\""))
            }
        }
        answers.append(try answer(subject, Self.chat, nil, name: "\"\(Self.chat)\""))
    }

    private func unconditional(_ prompt: [Int32]) -> [Int32] {
        PromptTemplate.unconditional(prompt, pad: tokenizer.specials.pad)
    }

    private func draw(
        _ subject: QualitySubject, _ words: [String], seed: Int64, _ progress: (Double) -> Void
    ) throws -> [Drawing] {
        let model = subject.model
        let prompts = words.map { prompt in
            tokenizer.encode(PromptTemplate.generation(prompt), pictureTokens: model.configuration.imageTokens).ids
        }
        let steps = model.configuration.generationTokens
        let rows = prompts.flatMap { [$0, unconditional($0)] }
        let cache = try KVCache(
            model.configuration, rows: rows.count, positionsMax: (rows.map(\.count).max() ?? 0) + steps)
        let spans = rows.indices.map { JanusModel.Span(row: $0, positions: rows[$0].count) }
        let prefilled = try model.forward(try model.embed(tokens: rows.flatMap { $0 }), spans: spans, cache: cache)
        var hidden = Matrix(rows: rows.count, columns: prefilled.columns)
        var end = 0
        for (row, ids) in rows.enumerated() {
            end += ids.count
            hidden[row..<row + 1].copy(from: prefilled[end - 1..<end])
        }
        let sampler = TokenSampler(seed: seed, domain: .image, temperature: 1)
        var drawn = [[Int32]](repeating: [], count: prompts.count)
        for position in 0..<steps {
            let logits = model.imageLogits(hidden)
            for image in prompts.indices {
                let own = logits[2 * image..<2 * image + 1]
                own.guide(
                    conditional: own, unconditional: logits[2 * image + 1..<2 * image + 2], weight: Self.guidance)
                let stage = subject.stage("drawing \"\(words[image])\", token \(position)")
                guard let token = sampler.draw(try own.finite(stage), image: image, position: position) else {
                    throw QualityError.noToken(stage: stage)
                }
                drawn[image].append(Int32(token))
            }
            guard position + 1 < steps else { break }
            let tokens = drawn.flatMap { [$0[position], $0[position]] }
            hidden = try model.forward(
                try model.embed(imageTokens: tokens), spans: rows.indices.map { JanusModel.Span(row: $0) }, cache: cache
            )
            progress(Double(position) / Double(steps))
        }
        return words.indices.map { Drawing(name: words[$0], prompt: prompts[$0], tokens: drawn[$0]) }
    }

    private func answer(
        _ subject: QualitySubject, _ question: String, _ picture: [Float]?, name: String
    ) throws -> Answer {
        let model = subject.model
        let turn = PromptTurn(role: .user, content: question, pictures: picture == nil ? 0 : 1)
        let prompt = tokenizer.encode(
            PromptTemplate.conversation([turn]), pictureTokens: model.configuration.imageTokens
        ).ids
        var answer = Answer(name: name, picture: picture, ids: prompt, promptCount: prompt.count)
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: prompt.count + Self.answerTokensMax)
        var hidden = try model.forward(
            try embed(answer, subject), spans: [.init(row: 0, positions: prompt.count)], cache: cache)
        hidden = hidden[hidden.rows - 1..<hidden.rows]
        let sampler = TokenSampler(seed: 0, domain: .text, temperature: 0)
        while answer.ids.count < prompt.count + Self.answerTokensMax {
            let stage = subject.stage("answering \(name), token \(answer.ids.count - prompt.count)")
            let logits = try model.textLogits(hidden).finite(stage)
            guard let token = sampler.draw(logits, position: 0) else { throw QualityError.noToken(stage: stage) }
            answer.ids.append(Int32(token))
            guard token != tokenizer.specials.endOfSentence else { break }
            hidden = try model.forward(try model.embed(tokens: [Int32(token)]), spans: [.init(row: 0)], cache: cache)
        }
        return answer
    }

    private func embed(_ answer: Answer, _ subject: QualitySubject) throws -> Matrix {
        let pictures = try answer.picture.map { picture in
            try subject.model.imageEmbeddings(pixels: picture)
                .finite(subject.stage("seeing the picture of \(answer.name)"))
        }
        return try subject.model.embed(
            tokens: answer.ids, placeholder: tokenizer.specials.imagePlaceholder,
            pictures: pictures.map { [$0] } ?? [])
    }

    // MARK: logits of any model

    /// For each answer [its tokens, vocabulary]: what drew them.
    func textLogits(_ subject: QualitySubject) throws -> [Matrix] {
        let model = subject.model
        return try answers.map { answer in
            let count = answer.ids.count
            let cache = try KVCache(
                model.configuration.keeping(subject.keyValueFormat), rows: 1, positionsMax: count)
            let hidden = try model.forward(
                try embed(answer, subject), spans: [.init(row: 0, positions: count)], cache: cache)
            return try model.textLogits(hidden[answer.promptCount - 1..<count - 1])
                .finite(subject.stage("text logits of \(answer.name)"))
        }
    }

    /// For each drawing [its tokens, codebook]: of the conditional row, and after guidance.
    func imageLogits(_ subject: QualitySubject) throws -> [(conditional: Matrix, guided: Matrix)] {
        let model = subject.model
        return try drawings.map { drawing in
            let rows = [drawing.prompt, unconditional(drawing.prompt)]
            let drawn = try model.embed(imageTokens: drawing.tokens.dropLast())
            let count = drawing.prompt.count + drawn.rows
            let input = Matrix(rows: 2 * count, columns: drawn.columns)
            for (row, ids) in rows.enumerated() {
                input[row * count..<row * count + ids.count].copy(from: try model.embed(tokens: ids))
                input[row * count + ids.count..<(row + 1) * count].copy(from: drawn)
            }
            let cache = try KVCache(
                model.configuration.keeping(subject.keyValueFormat), rows: 2, positionsMax: count)
            let hidden = try model.forward(
                input, spans: [.init(row: 0, positions: count), .init(row: 1, positions: count)], cache: cache)
            let first = drawing.prompt.count - 1
            let conditional = model.imageLogits(hidden[first..<count])
            let unconditional = model.imageLogits(hidden[count + first..<2 * count])
            let guided = Matrix(rows: conditional.rows, columns: conditional.columns)
            for row in 0..<guided.rows {
                let rows = row..<row + 1
                guided[rows].guide(
                    conditional: conditional[rows], unconditional: unconditional[rows], weight: Self.guidance)
            }
            return (
                try conditional.finite(subject.stage("image logits of \"\(drawing.name)\"")),
                try guided.finite(subject.stage("guided image logits of \"\(drawing.name)\""))
            )
        }
    }

    /// For each drawing the bytes of its picture.
    func pictures(_ subject: QualitySubject) throws -> [[UInt8]] {
        try drawings.map { try picture(of: $0, by: subject) }
    }

    private func picture(of drawing: Drawing, by subject: QualitySubject) throws -> [UInt8] {
        JanusModel.bytes(
            pixels: try subject.model.decodeImage(tokens: drawing.tokens)
                .finite(subject.stage("pixels of \"\(drawing.name)\"")))
    }
}
