import Foundation
import JanusEngine
import JanusImage
import JanusJob
import JanusModel
import JanusTensor
import JanusText

/// The sizes of what is run: Deploy/bench.d/shapes.py has the same for the peers, and its table compares the two.
struct BenchCases: Encodable {
    /// Of the first image; each further image's prompt has one more.
    var promptTokens = 32
    /// The picture's included.
    var questionTokens = 700
    /// Of a text without a picture.
    var textTokens = 40
    var answerTokens = 64
    var prefillTokens = 646
    var guidance: Float = 5

    enum CodingKeys: String, CodingKey {
        case promptTokens = "prompt_tokens"
        case questionTokens = "question_tokens"
        case textTokens = "text_tokens"
        case answerTokens = "answer_tokens"
        case prefillTokens = "prefill_tokens"
        case guidance
    }
}

/// Runs parts and takes their time.
struct EngineBench {
    /// The model's, with the keys and values that were chosen.
    let configuration: JanusConfiguration
    /// Runs that were thrown away, because an answer ended early.
    private(set) var runsDiscarded = 0

    private let model: JanusModel
    private let engine: Engine
    private let precision: PackedPrecision
    private let images: Int
    private let texts: Int
    private let cases = BenchCases()
    private var generator = NoiseGenerator(seed: 1)
    /// Counts prompts, so that none comes twice.
    private var prompts = 0

    init(
        _ shape: ModelShape, _ precision: PackedPrecision, _ format: KeyValueFormat?, images: Int, texts: Int,
        threads: Int
    ) throws(Failure) {
        self.precision = precision
        self.images = images
        self.texts = texts
        do throws(ModelError) {
            model = try JanusModel.synthetic(shape.configuration, precision: precision)
        } catch { throw Failure(error.description) }
        configuration = model.configuration.keeping(format)
        var options = Engine.Options(threads: threads)
        options.keyValueFormat = format
        options.jobsMax = max(options.jobsMax, images, texts)
        // the images' own rows and those of their prompts
        let positions = cases.promptTokens + images + configuration.generationTokens
        options.cacheBytesMax = max(
            options.cacheBytesMax, 4 * images * configuration.cacheBytes(positions: positions))
        do throws(EngineError) {
            engine = try Engine(synthetic: model, options: options)
        } catch { throw Failure(error.description) }
    }

    // MARK: what is run

    private var imagePrompts: [Int] { (0..<images).map { cases.promptTokens + $0 } }
    private var textPrompts: [Int] { [Int](repeating: cases.textTokens, count: texts) }

    /// What a run of a workload gives.
    func figures(_ workload: BenchWorkload) -> [BenchFigure] {
        let costs = BenchCosts(configuration: configuration, precision: precision)
        return switch workload {
        case .vq:
            [
                BenchFigure(
                    key: "vq", name: "VQ decode", unit: "picture", isWhole: false, work: [costs.decodedPicture])
            ]
        case .vision:
            [
                BenchFigure(
                    key: "vision", name: "vision tower and aligner", unit: "picture", isWhole: false,
                    work: [costs.vision])
            ]
        case .prefill:
            [
                BenchFigure(
                    key: "prefill", name: "prefill of \(cases.prefillTokens)", unit: "prompt", isWhole: false,
                    tokens: Double(cases.prefillTokens),
                    work: costs.drawing(prompts: [cases.prefillTokens], tokens: 1, head: .text))
            ]
        case .image: [drawing("image", "one image", prompts: [cases.promptTokens], costs)]
        case .images: [drawing("images", "\(images) images at once", prompts: imagePrompts, costs)]
        case .answer:
            answering(
                "answer", "answer of \(cases.answerTokens) about a picture", prompts: [cases.questionTokens], costs,
                pictures: [costs.vision])
        case .answers:
            answering("answers", "\(texts) answers of \(cases.answerTokens) at once", prompts: textPrompts, costs)
        }
    }

    private func drawing(_ key: String, _ name: String, prompts: [Int], _ costs: BenchCosts) -> BenchFigure {
        let steps = configuration.generationTokens
        // a conditional and an unconditional row each
        let work = costs.drawing(prompts: prompts.flatMap { [$0, $0] }, tokens: steps, head: .image)
        return BenchFigure(
            key: key, name: name, unit: prompts.count == 1 ? "image" : "\(prompts.count) images",
            count: prompts.count, isWhole: true, tokens: Double(steps * prompts.count),
            work: work + prompts.map { _ in costs.decodedPicture })
    }

    private func answering(
        _ key: String, _ name: String, prompts: [Int], _ costs: BenchCosts, pictures: [BenchWork] = []
    ) -> [BenchFigure] {
        let work = pictures + costs.drawing(prompts: prompts, tokens: cases.answerTokens, head: .text)
        let count = prompts.count
        let contexts = prompts.map { $0 + cases.answerTokens / 2 }
        let those = count == 1 ? "that" : "those \(count)"
        return [
            BenchFigure(
                key: key, name: name, unit: count == 1 ? "answer" : "\(count) answers", count: count, isWhole: true,
                tokens: Double(cases.answerTokens * count), work: work),
            BenchFigure(
                key: key + "_step", name: "a step of \(those), context about \(contexts[0])", unit: "step",
                count: count, isWhole: false, tokens: Double(count), work: [costs.step(contexts: contexts, head: .text)]
            ),
        ]
    }

    /// - Returns: seconds, by key of the workload's figures.
    mutating func run(_ workload: BenchWorkload) throws(Failure) -> [String: Double] {
        switch workload {
        case .vq:
            let tokens = (0..<configuration.generationTokens).map { _ in
                Int32.random(in: 0..<Int32(configuration.codebookSize), using: &generator)
            }
            return ["vq": try timed { [model] () throws(ModelError) in _ = try model.decodeImage(tokens: tokens) }]
        case .vision:
            let pixels = noise(rows: 1, columns: configuration.imageSize * configuration.imageSize * 3).row(0)
            return [
                "vision": try timed { [model] () throws(ModelError) in _ = try model.imageEmbeddings(pixels: pixels) }
            ]
        case .prefill: return ["prefill": try prefill()]
        case .image: return ["image": try draw(prompts: [cases.promptTokens])]
        case .images: return ["images": try draw(prompts: imagePrompts)]
        case .answer:
            let times = try answer(prompts: [cases.questionTokens], hasPicture: true)
            return ["answer": times.whole, "answer_step": times.step]
        case .answers:
            let times = try answer(prompts: textPrompts, hasPicture: false)
            return ["answers": times.whole, "answers_step": times.step]
        }
    }

    // MARK: single operations

    private mutating func prefill() throws(Failure) -> Double {
        let count = cases.prefillTokens
        let input = noise(rows: count, columns: configuration.hiddenSize)
        let (model, configuration) = (model, configuration)
        var cache: KVCache
        do throws(ModelError) {
            cache = try KVCache(configuration, rows: 1, positionsMax: count)
        } catch { throw Failure(error.description) }
        return try timed { () throws(ModelError) in
            let hidden = try model.forward(input, spans: [.init(row: 0, positions: count)], cache: cache)
            _ = model.textLogits(hidden[count - 1..<count])
        }
    }

    private func timed(_ body: () throws(ModelError) -> Void) throws(Failure) -> Double {
        let start = ContinuousClock.now
        do throws(ModelError) { try body() } catch { throw Failure(error.description) }
        return (ContinuousClock.now - start) / .seconds(1)
    }

    private mutating func noise(rows: Int, columns: Int) -> Matrix {
        Matrix(
            (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) }, rows: rows, columns: columns)
    }

    // MARK: jobs

    /// Jobs of one image each.
    private mutating func draw(prompts lengths: [Int]) throws(Failure) -> Double {
        var jobs: [BatchRun.Job] = []
        for length in lengths {
            let prompt = try text(tokens: length) { PromptTemplate.generation($0) }
            let parameters = GenerateParameters(
                prompt: prompt, images: 1, seed: Int64(prompts), cfgWeight: cases.guidance)
            jobs.append(.init(task: .generate(parameters)))
        }
        let run = try BatchRun(engine.batcher, jobs)
        for product in run.products {
            guard case .images(let images, let usage) = product, images.count == 1, !images[0].file.isEmpty,
                usage.outputTokens == configuration.generationTokens, usage.decodingSeconds > 0
            else { throw Failure("a job for one image gave something else") }
        }
        return run.whole
    }

    private mutating func answer(
        prompts lengths: [Int], hasPicture: Bool
    ) throws(Failure) -> (whole: Double, step: Double) {
        for _ in 0..<Self.attemptsMax {
            var jobs: [BatchRun.Job] = []
            for length in lengths {
                let question = try text(tokens: length) { text in
                    PromptTemplate.conversation(
                        [PromptTurn(role: .user, content: text, pictures: hasPicture ? 1 : 0)], system: "")
                }
                let message = ChatMessage(role: .user, content: question, images: hasPicture ? 1 : 0)
                let parameters = AnswerParameters(
                    messages: [message], systemPrompt: "", maxTokens: cases.answerTokens)
                jobs.append(.init(task: .understand(parameters), pictures: hasPicture ? [try picture()] : []))
            }
            let run = try BatchRun(engine.batcher, jobs)
            let lengths = run.products.compactMap { product -> Int? in
                guard case .answer(let answer) = product else { return nil }
                return answer.tokens.count
            }
            if lengths == run.products.map({ _ in cases.answerTokens }), let step = run.step {
                return (run.whole, step)
            }
            // the noise has drawn the end
            runsDiscarded += 1
        }
        throw Failure("\(Self.attemptsMax) times, an answer ended before its \(cases.answerTokens) tokens")
    }

    private static let attemptsMax = 20

    /// A text that was not there before and makes a prompt of so many tokens.
    private mutating func text(tokens: Int, _ template: (String) -> [PromptSegment]) throws(Failure) -> String {
        prompts += 1
        func length(_ text: String) -> Int {
            engine.tokenizer.encode(template(text), pictureTokens: configuration.imageTokens).ids.count
        }
        let number = String(prompts, radix: 36)
        let missing = tokens - length(number)
        guard missing >= 0 else { throw Failure("a prompt of \(tokens) tokens is too short for its \(prompts)th text") }
        let text = String(repeating: "-", count: missing) + number
        guard length(text) == tokens else { throw Failure("a prompt has \(length(text)) tokens instead of \(tokens)") }
        return text
    }

    /// A picture of noise as a PNG file, of the encoder's size.
    private mutating func picture() throws(Failure) -> Data {
        let side = configuration.imageSize
        let pixels = (0..<side * side * 3).map { _ in UInt8.random(in: 0...255, using: &generator) }
        do throws(ImageError) {
            return try RGBImage(width: side, height: side, pixels: pixels).encoded(as: .png)
        } catch { throw Failure(error.description) }
    }
}
