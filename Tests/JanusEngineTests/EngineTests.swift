import Foundation
import JanusEngine
import JanusImage
import JanusJob
import JanusModel
import TestSupport
import Testing

let tinyFolder = Reference.file("Reference/tiny/hf")

func tinyEngine(contextTokensMax: Int = 4096, cacheBytesMax: Int = 1 << 30) throws -> Engine {
    var options = Engine.Options(threads: 1)
    options.contextTokensMax = contextTokensMax
    options.cacheBytesMax = cacheBytesMax
    return try Engine.load(ModelLocation.find(tinyFolder), name: "tiny", options: options)
}

func referencePicture(_ index: Int) throws -> Data {
    try Data(contentsOf: URL(filePath: Reference.file("Reference/tiny/image\(index).png")))
}

@Suite("Drawing images")
struct GenerationTests {
    private func parameters(images: Int = 1, seed: Int64 = 7) -> GenerateParameters {
        GenerateParameters(prompt: "a red fox", images: images, seed: seed)
    }

    @Test("without chance the tokens and pixels are the reference's", arguments: [0, 1])
    func reference(index: Int) throws {
        let expected = try ExpectedTensors(path: Reference.file("Reference/tiny/expected.safetensors"))
        var parameters = GenerateParameters(
            prompt: ["a photo of a red apple", "a close-up photo of two blue birds 猫"][index], images: 1, seed: 0,
            cfgWeight: [5, 2][index])
        parameters.temperature = 0
        let (images, usage) = try tinyEngine().generate(parameters)
        #expect(try images[0].tokens == expected.int32s("generate\(index).greedy_tokens"))
        let pixels = try RGBImage(decoding: images[0].file).pixels
        let wanted = try expected.bytes("generate\(index).image")
        // Values are truncated, so a difference in the last bit of f32 may move one by 1.
        #expect(zip(pixels, wanted).allSatisfy { abs(Int($0) - Int($1)) <= 1 } && pixels.count == wanted.count)
        #expect(try usage.promptTokens == expected.int32s("generate\(index).prompt_ids").count)
        #expect(usage.outputTokens == 16 && usage.images == 1)
    }

    // Tokens, not files: tests of this process share OpenBLAS, and its number of threads decides last bits of pixels.
    // That files are equal byte for byte is tested on processes.
    @Test("one seed gives one row of tokens; another seed another")
    func determinism() throws {
        let first = try tinyEngine().generate(parameters()).images
        #expect(try tinyEngine().generate(parameters()).images.map(\.tokens) == first.map(\.tokens))
        #expect(try tinyEngine().generate(parameters(seed: 8)).images[0].tokens != first[0].tokens)
    }

    @Test("image i is the same however many are drawn, and whatever the cache holds at once")
    func independence() throws {
        let engine = try tinyEngine()
        let four = try engine.generate(parameters(images: 4)).images
        #expect(Set(four.map(\.tokens)).count == 4)
        #expect(four.map(\.index) == [0, 1, 2, 3])
        for count in 1...3 {
            let fewer = try engine.generate(parameters(images: count)).images
            #expect(fewer.map(\.tokens) == four.prefix(count).map(\.tokens))
        }
        // room for the prompts and one image
        let narrow = try tinyEngine(cacheBytesMax: 110 << 10)
        #expect(try narrow.generate(parameters(images: 4)).images.map(\.tokens) == four.map(\.tokens))
    }

    @Test("guidance of weight 1 is drawing without an unconditional row")
    func noGuidance() throws {
        var plain = parameters()
        plain.cfgWeight = 1
        let tokens = try tinyEngine().generate(plain).images[0].tokens
        #expect(tokens.count == 16)
        plain.cfgWeight = 5
        #expect(try tinyEngine().generate(plain).images[0].tokens != tokens)
    }

    @Test("every format is written, with the prompt in it", arguments: ImageFormat.allCases)
    func formats(format: ImageFormat) throws {
        var parameters = parameters()
        parameters.format = format
        let image = try tinyEngine().generate(parameters).images[0]
        #expect(image.format == format && image.width == 64 && image.height == 64)
        #expect(image.file.range(of: Data("a red fox".utf8)) != nil)
        #expect(try RGBImage(decoding: image.file).width == 64)
    }

    @Test("progress only grows, through the phases in order, to its total")
    func progress() throws {
        var seen: [JobProgress] = []
        _ = try tinyEngine().generate(parameters(images: 2)) { progress in
            seen.append(progress)
            return true
        }
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.stepsDone <= $1.stepsDone })
        #expect(seen.allSatisfy { $0.stepsDone <= $0.stepsTotal })
        #expect(seen.last?.stepsDone == seen.last?.stepsTotal)
        var phases: [JobPhase] = []
        for phase in seen.map(\.phase) where phases.last != phase { phases.append(phase) }
        #expect(phases == [.preparing, .prefill, .drawing, .decoding])
    }

    @Test("the job stops wherever the observer says so, and the engine goes on with the next")
    func stopping() throws {
        let engine = try tinyEngine()
        let whole = try engine.generate(parameters()).images.map(\.tokens)
        var limit = 0
        while true {
            var calls = 0
            do {
                _ = try engine.generate(parameters()) { _ in
                    calls += 1
                    return calls <= limit
                }
                break
            } catch { #expect(error == .stopped && calls == limit + 1) }
            limit += 1
        }
        // every step, and every part of the picture's decoding
        #expect(limit > 60)
        #expect(try engine.generate(parameters()).images.map(\.tokens) == whole)
    }

    @Test("an empty prompt and a prompt beyond the context are refused by name")
    func prompts() throws {
        let engine = try tinyEngine(contextTokensMax: 40)
        for prompt in ["", " \n\u{3000}"] {
            #expect(throws: Interruption.failed(JobError(.invalidRequest, "the prompt is empty"))) {
                try engine.generate(GenerateParameters(prompt: prompt, images: 1, seed: 0))
            }
        }
        let long = String(repeating: "fox ", count: 100)
        let error = #expect(throws: Interruption.self) {
            try engine.generate(GenerateParameters(prompt: long, images: 1, seed: 0))
        }
        guard case .failed(let job) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(job.code == .promptTooLong && !job.retryable && job.message.contains("40"))
    }

    @Test("numbers that cannot be are refused")
    func numbers() throws {
        let engine = try tinyEngine()
        for change in [
            { $0.images = 0 }, { $0.cfgWeight = .nan }, { $0.temperature = -1 }, { $0.temperature = .infinity },
        ] as [(inout GenerateParameters) -> Void] {
            var bad = parameters()
            change(&bad)
            #expect(throws: Interruption.self) { try engine.generate(bad) }
        }
    }
}
