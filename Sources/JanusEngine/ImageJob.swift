import Foundation
import JanusImage
import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// Draws images from a text.
///
/// A step: logits = u + w·(c − u) of a conditional and an unconditional row (`PromptTemplate.unconditional`),
/// divided by the temperature; draw; both rows receive the token.
///
/// Both prompts are prefixes: every image's rows begin as their copies. Images begin as there is room, in order.
final class ImageJob: BatchedJob {
    let reporter: JobProgressReporter
    private(set) var sequences: [TokenSequence] = []
    private(set) var outcome: Result<JobProduct, Interruption>?

    private let parameters: GenerateParameters
    private let resources: BatchResources
    private let sampler: TokenSampler
    private let prompts: [PrefixKey]
    /// Of each prompt, [tokens, hidden]; given up once they are on their way.
    private var embeddings: [Matrix]
    private var prefixes: [Prefix] = []
    private var imagesOpened = 0
    private var images: [GeneratedImage] = []
    private var tokensDrawn = 0
    private var usage = JobUsage()

    /// - Throws: `failed` with invalidRequest, promptTooLong or memoryExceeded.
    init(_ parameters: GenerateParameters, _ resources: BatchResources, reporter: JobProgressReporter)
        throws(Interruption)
    {
        let engine = resources.engine
        let prompt = try engine.generationPrompt(parameters)
        var prompts = [PrefixKey(tokens: prompt)]
        if parameters.usesGuidance {
            prompts.append(
                PrefixKey(tokens: PromptTemplate.unconditional(prompt, pad: engine.tokenizer.specials.pad)))
        }
        self.parameters = parameters
        self.resources = resources
        self.reporter = reporter
        self.prompts = prompts
        sampler = TokenSampler(seed: parameters.seed, domain: .image, temperature: parameters.temperature)
        embeddings = []
        do throws(ModelError) {
            for key in prompts { embeddings.append(try engine.model.embed(tokens: key.tokens)) }
        } catch { throw Interruption(error) }
        usage.promptTokens = prompt.count
        let positions = prompt.count + engine.configuration.generationTokens
        try engine.checkMemory(
            bytes: prompts.count
                * (resources.cache.bytes(positions: positions) + resources.cache.bytes(positions: prompt.count)),
            positions: positions, rows: prompts.count)
        reporter.begin(
            stepsTotal: prompts.count * PrefillSteps.total(prompt.count)
                + (engine.configuration.generationTokens + 1) * parameters.images)
    }

    private var promptTokens: Int { usage.promptTokens }
    private var steps: Int { resources.engine.configuration.generationTokens }

    // MARK: room

    var isReserved: Bool { imagesOpened == parameters.images }

    func reserve() {
        let positions = promptTokens + steps
        while !isReserved, resources.makeRoom(rows: prompts.count, positions: positions, beside: prompts) {
            if prefixes.isEmpty {
                prefixes = zip(prompts, embeddings).map { resources.usePrefix($0, embeddings: $1).prefix }
                embeddings = []
            }
            let rows = resources.openRows(prompts.count, positions: positions)
            sequences.append(TokenSequence(.image, rows: rows, index: imagesOpened, tokensMax: steps, job: self))
            imagesOpened += 1
        }
    }

    func release() {
        for sequence in sequences { resources.closeRows(sequence.rows) }
        sequences = []
        releasePrefixes()
    }

    private func releasePrefixes() {
        for prefix in prefixes { resources.prefixes.release(prefix) }
        prefixes = []
    }

    // MARK: the course

    func proceed() {
        if !prefixes.isEmpty, prefixes.allSatisfy({ $0.last != nil }) {
            for sequence in sequences where sequence.hidden == nil && sequence.tokens.isEmpty { begin(sequence) }
            if isReserved { releasePrefixes() }
        }
        report()
    }

    /// Its rows become copies of the prompts'.
    private func begin(_ sequence: TokenSequence) {
        let hidden = Matrix(rows: sequence.rows.count, columns: resources.engine.configuration.hiddenSize)
        for (index, row) in sequence.rows.enumerated() {
            resources.cache.copyRow(prefixes[index].row, to: row)
            if let last = prefixes[index].last { hidden[index..<index + 1].copy(from: last) }
        }
        sequence.hidden = hidden
        reporter.enter(.drawing)
    }

    private func report() {
        var done = tokensDrawn + images.count
        let isPrefilled = reporter.progress.phase != .prefill
        for index in prompts.indices {
            let positions =
                isPrefilled ? promptTokens : prefixes.indices.contains(index) ? prefixes[index].fill.done : 0
            done += PrefillSteps.done(positions, of: promptTokens)
        }
        reporter.advance(to: done)
    }

    func draw(_ logits: Matrix, scratch: Matrix, for sequence: TokenSequence) -> Int? {
        let own = logits[0..<1]
        if logits.rows == 2 {
            own.guide(conditional: own, unconditional: logits[1..<2], weight: parameters.cfgWeight)
        }
        return sampler.draw(
            own, image: sequence.index, position: sequence.tokens.count, topK: parameters.topK, scratch: scratch)
    }

    func accept(_ token: Int?, for sequence: TokenSequence) {
        guard let token else { return fail(.failed(.notFinite("the logits of an image token"))) }
        sequence.tokens.append(Int32(token))
        tokensDrawn += 1
        // The last token needs no successor.
        sequence.isFed = sequence.tokens.count < steps
        if sequence.isFed { return report() }
        sequences.removeAll { $0 === sequence }
        resources.closeRows(sequence.rows)
        resources.betweenPasses.append(
            DecodingTask(sequence.tokens, index: sequence.index, job: self, resources.engine.model))
        report()
        if sequences.isEmpty, isReserved { reporter.enter(.decoding) }
    }

    /// A picture's pixels are there: they are to become a file.
    fileprivate func encoder(index: Int, pixels: Matrix) -> PictureEncoder {
        let side = resources.engine.configuration.tokenizer.imageSize
        let metadata = ImageMetadata(
            prompt: parameters.prompt, seed: parameters.seed, model: resources.engine.name, index: index)
        return PictureEncoder(
            RGBImage(width: side, height: side, pixels: JanusModel.bytes(pixels: pixels)),
            as: parameters.format, metadata: metadata)
    }

    /// A picture's file is there.
    fileprivate func finish(_ tokens: [Int32], index: Int, file: Data) {
        let side = resources.engine.configuration.tokenizer.imageSize
        images.append(
            GeneratedImage(
                index: index, format: parameters.format, width: side, height: side, file: file, tokens: tokens))
        usage.images += 1
        usage.outputTokens += tokens.count
        report()
    }

    /// A part of a picture's decoding took so long; after the last one, the job may be over.
    fileprivate func chargeDecoding(seconds: Double) {
        usage.decodingSeconds += seconds
        guard images.count == parameters.images, outcome == nil else { return }
        outcome = .success(.images(images.sorted { $0.index < $1.index }, usage))
    }

    func charge(seconds: Double) {
        if reporter.progress.phase == .prefill { usage.prefillSeconds += seconds }
        if reporter.progress.phase == .drawing { usage.drawingSeconds += seconds }
    }

    func fail(_ interruption: Interruption) {
        if outcome == nil { outcome = .failure(interruption) }
    }
}

/// The VQ decoding of one image, and the writing of its file.
private final class DecodingTask: BetweenPassesTask {
    private let owner: ImageJob
    private let model: JanusModel
    private let tokens: [Int32]
    private let index: Int
    private var decoding: FeatureMapRun?
    private var encoder: PictureEncoder?

    init(_ tokens: [Int32], index: Int, job: ImageJob, _ model: JanusModel) {
        self.tokens = tokens
        self.index = index
        self.model = model
        owner = job
    }

    var job: any BatchedJob { owner }
    var isAbandoned: Bool { owner.outcome != nil }

    func advance() throws(Interruption) -> Bool {
        do throws(ImageError) {
            if encoder != nil {
                guard let file = try encoder?.advance() else { return false }
                owner.finish(tokens, index: index, file: file)
                return true
            }
        } catch { throw .failed(JobError(.internalError, error.description)) }
        do throws(ModelError) {
            if decoding == nil { decoding = try model.beginDecoding(imageTokens: tokens) }
        } catch { throw Interruption(error) }
        decoding?.advance()
        if let done = decoding, done.isDone {
            encoder = owner.encoder(index: index, pixels: try done.pixels.finite("the pixels of the VQ decoder"))
            decoding = nil
        }
        return false
    }

    func charge(seconds: Double) { owner.chargeDecoding(seconds: seconds) }
}
