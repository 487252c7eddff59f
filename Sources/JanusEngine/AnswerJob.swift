import Foundation
import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// Answers the last message of a conversation.
///
/// The prompt up to the end of its last picture is a prefix that later jobs may share; what comes behind it goes into
/// the answer's own row.
final class AnswerJob: BatchedJob {
    let reporter: JobProgressReporter
    private(set) var sequences: [TokenSequence] = []
    private(set) var outcome: Result<JobProduct, Interruption>?

    private let parameters: AnswerParameters
    private let resources: BatchResources
    private let sampler: TokenSampler
    private let emit: ((String) -> Void)?
    private let prompt: EncodedPrompt
    /// [prompt, hidden]
    private let embeddings: Matrix
    /// What the encoder takes; given up once they are on their way.
    private var pictures: [[Float]]
    /// One, or none where there is no picture, or no room for more than the answer's own row.
    private let prefixKeys: [PrefixKey]
    private var prefix: Prefix?
    /// The answer's row, once it is open.
    private var row: Int?
    /// Into the answer's row.
    private var fill: PromptFill?
    private var answer: Answer
    /// Of the answer, in UTF-8. It and the answer's tokens have room from the beginning, so that steps take none.
    private var text: [UInt8] = []
    /// What the last token completed.
    private var part: [UInt8] = []
    private var decoder: TokenDecoder
    private var stops: StopStrings

    /// - Parameter files: pictures, in the order of the messages that they belong to.
    /// - Throws: `failed` with invalidRequest, invalidImage, inputTooLarge, promptTooLong or memoryExceeded.
    init(
        _ parameters: AnswerParameters, pictures files: [Data], _ resources: BatchResources,
        reporter: JobProgressReporter,
        emit: ((String) -> Void)?
    ) throws(Interruption) {
        let engine = resources.engine
        prompt = try engine.answerPrompt(parameters, pictureCount: files.count)
        let positions = prompt.ids.count + parameters.maxTokens
        let bytes = resources.cache.bytes(positions: positions)
        try engine.checkMemory(bytes: bytes, positions: positions, rows: 1)
        pictures = []
        for (index, file) in files.enumerated() {
            // a large one takes a second or more
            if reporter.wantsToStop() { throw .stopped }
            pictures.append(try engine.encoderInput(file, index: index))
        }
        do throws(ModelError) {
            embeddings = try engine.model.embed(tokens: prompt.ids)
        } catch { throw Interruption(error) }
        self.parameters = parameters
        self.resources = resources
        self.reporter = reporter
        self.emit = emit
        sampler = TokenSampler(seed: parameters.seed, domain: .text, temperature: parameters.temperature)
        decoder = TokenDecoder(engine.tokenizer)
        stops = StopStrings(parameters.stop)
        answer = Answer(
            text: "", finishReason: .length, tokens: [], usage: JobUsage(promptTokens: prompt.ids.count))
        let shared = prompt.pictures.last?.upperBound ?? 0
        prefixKeys =
            shared > 0 && bytes + resources.cache.bytes(positions: shared) <= resources.cache.bytesMax
            ? [PrefixKey(tokens: Array(prompt.ids[..<shared]), pictures: files.map(PrefixKey.digest))] : []
        answer.tokens.reserveCapacity(parameters.maxTokens)
        text.reserveCapacity(parameters.maxTokens * Self.tokenBytesUsual)
        part.reserveCapacity(Self.partBytesUsual)
        reporter.begin(stepsTotal: files.count + PrefillSteps.total(prompt.ids.count) + parameters.maxTokens)
    }

    /// Far more than a token has on average in any language.
    private static let tokenBytesUsual = 16
    /// Far more than a token that is text has.
    private static let partBytesUsual = 256

    // MARK: room

    var isReserved: Bool { row != nil }

    func reserve() {
        let positions = prompt.ids.count + parameters.maxTokens
        guard row == nil, resources.makeRoom(rows: 1, positions: positions, beside: prefixKeys) else { return }
        if let key = prefixKeys.first {
            let (prefix, isNew) = resources.usePrefix(
                key, embeddings: embeddings[0..<key.tokens.count], picturesAwaited: pictures.count)
            self.prefix = prefix
            if isNew { beginVision(into: prefix.fill) }
        }
        let row = resources.openRows(1, positions: positions)[0]
        self.row = row
        if prefix == nil {
            let fill = PromptFill(row: row, embeddings: embeddings, picturesAwaited: pictures.count)
            begin(fill)
            beginVision(into: fill)
        }
        pictures = []
    }

    private func begin(_ fill: PromptFill) {
        self.fill = fill
        resources.fills.append(fill)
    }

    private func beginVision(into fill: PromptFill) {
        for (pixels, range) in zip(pictures, prompt.pictures) {
            resources.betweenPasses.append(
                VisionTask(pixels, resources.engine.model, into: fill, at: range, job: self) { [self] seconds in
                    answer.usage.prefillSeconds += seconds
                })
        }
    }

    func release() {
        fill?.isAbandoned = true
        if let row { resources.closeRows([row]) }
        row = nil
        sequences = []
        releasePrefix()
    }

    private func releasePrefix() {
        if let prefix { resources.prefixes.release(prefix) }
        prefix = nil
    }

    // MARK: the course

    func proceed() {
        if let failure = (fill ?? prefix?.fill)?.failure { return fail(failure) }
        if let prefix, prefix.last != nil, let row {
            resources.cache.copyRow(prefix.row, to: row)
            begin(PromptFill(row: row, embeddings: embeddings[prefix.key.tokens.count..<embeddings.rows]))
            releasePrefix()
        }
        if let last = fill?.last, sequences.isEmpty, answer.tokens.isEmpty, let row {
            let sequence = TokenSequence(.text, rows: [row], tokensMax: parameters.maxTokens, job: self)
            sequence.hidden = last
            sequences = [sequence]
            reporter.enter(.drawing)
        }
        report()
    }

    private func report() {
        let total = prompt.ids.count
        var positions = fill.map { total - $0.positions + $0.done } ?? 0
        var seen = fill.map { prompt.pictures.count - $0.picturesAwaited } ?? 0
        if let prefix {
            positions = prefix.fill.done
            seen = prompt.pictures.count - prefix.fill.picturesAwaited
        }
        reporter.advance(to: seen + PrefillSteps.done(positions, of: total) + answer.tokens.count)
    }

    func draw(_ logits: Matrix, scratch: Matrix, for sequence: TokenSequence) -> Int? {
        sampler.draw(logits, position: sequence.tokens.count, topP: parameters.topP, scratch: scratch)
    }

    func accept(_ token: Int?, for sequence: TokenSequence) {
        guard let token else { return fail(.failed(.notFinite("the logits of a text token"))) }
        let id = Int32(token)
        sequence.tokens.append(id)
        answer.tokens.append(id)
        sequence.isFed = false
        if id == resources.engine.tokenizer.specials.endOfSentence {
            answer.finishReason = .stop
            return finish()
        }
        part.removeAll(keepingCapacity: true)
        decoder.append(id, to: &part)
        give { stops.append(part, to: &text) }
        report()
        if stops.isStopped || answer.tokens.count == parameters.maxTokens { return finish() }
        sequence.isFed = true
    }

    /// Tells whoever listens what `lengthen` adds to the text.
    private func give(_ lengthen: () -> Void) {
        let before = text.count
        lengthen()
        if let emit, text.count > before { emit(String(decoding: text[before...], as: UTF8.self)) }
    }

    private func finish() {
        part.removeAll(keepingCapacity: true)
        decoder.finish(&part)
        give {
            stops.append(part, to: &text)
            stops.finish(&text)
        }
        answer.text = String(decoding: text, as: UTF8.self)
        if stops.isStopped { answer.finishReason = .stop }
        answer.usage.outputTokens = answer.tokens.count
        outcome = .success(.answer(answer))
    }

    func charge(seconds: Double) {
        if reporter.progress.phase == .prefill { answer.usage.prefillSeconds += seconds }
        if reporter.progress.phase == .drawing { answer.usage.drawingSeconds += seconds }
    }

    func fail(_ interruption: Interruption) {
        if outcome == nil { outcome = .failure(interruption) }
    }
}
