import Foundation
import JanusEngine
import JanusImage
import JanusJob
import JanusModel
import TestSupport
import Testing

@Suite("Answering")
struct AnswerTests {
    private func ask(
        _ question: String, images: Int = 0, maxTokens: Int = 24, change: (inout AnswerParameters) -> Void = { _ in }
    ) -> AnswerParameters {
        var parameters = AnswerParameters(
            messages: [ChatMessage(role: .user, content: question, images: images)], maxTokens: maxTokens)
        change(&parameters)
        return parameters
    }

    @Test("greedy answers are the reference's")
    func reference() throws {
        let expected = try ExpectedTensors(path: Reference.file("Reference/tiny/expected.safetensors"))
        let cases: [(String, AnswerParameters, [Int])] = [
            ("chat", ask("What is 12 + 345?"), []),
            ("understand0", ask("Describe this scene in detail.", images: 1), [0]),
            ("understand1", ask("What is different? 猜猜这是哪里？", images: 2), [0, 1]),
        ]
        let engine = try tinyEngine()
        for (name, parameters, pictures) in cases {
            let answer = try engine.answer(parameters, pictures: pictures.map(referencePicture))
            #expect(try answer.tokens == expected.int32s(name + ".greedy_ids"), "\(name)")
            #expect(try answer.text == expected.text(name + ".text"), "\(name)")
            #expect(answer.finishReason == .length)
            #expect(answer.usage.outputTokens == 24)
            #expect(try answer.usage.promptTokens == expected.int32s(name + ".prompt_ids").count)
        }
    }

    @Test("one seed gives one text, another seed another; parts given out add up to it")
    func seeds() throws {
        let engine = try tinyEngine()
        func text(_ seed: Int64) throws -> String {
            var parts = ""
            let answer = try engine.answer(
                ask("Hello") {
                    $0.temperature = 1
                    $0.topP = 0.9
                    $0.seed = seed
                }, emit: { parts += $0 })
            #expect(parts == answer.text)
            return answer.text
        }
        #expect(try text(1) == text(1))
        #expect(try text(1) != text(2))
    }

    @Test("a nucleus of one token is the greedy answer")
    func nucleus() throws {
        let engine = try tinyEngine()
        let greedy = try engine.answer(ask("Hello"))
        let nucleus = try engine.answer(
            ask("Hello") {
                $0.temperature = 1
                $0.topP = 1e-6
            })
        #expect(nucleus.tokens == greedy.tokens)
    }

    @Test("the answer ends before a stop string, also one that spans tokens")
    func stopStrings() throws {
        let engine = try tinyEngine()
        let whole = try engine.answer(ask("What is 12 + 345?"))
        let characters = Array(whole.text)
        for start in stride(from: 1, to: characters.count - 6, by: 5) {
            let stop = String(characters[start..<(start + 6)])
            let stopped = try engine.answer(ask("What is 12 + 345?") { $0.stop = ["never there", stop] })
            let expected = whole.text.range(of: stop, options: .literal).map { String(whole.text[..<$0.lowerBound]) }
            #expect(stopped.text == expected && stopped.finishReason == .stop)
            #expect(stopped.tokens.count <= whole.tokens.count)
        }
    }

    @Test("max_tokens ends the answer there", arguments: [1, 2, 7])
    func maxTokens(count: Int) throws {
        let engine = try tinyEngine()
        let answer = try engine.answer(ask("What is 12 + 345?", maxTokens: count))
        #expect(answer.tokens.count == count && answer.finishReason == .length)
        let whole = try engine.answer(ask("What is 12 + 345?"))
        #expect(Array(whole.tokens.prefix(count)) == answer.tokens)
    }

    @Test("a long prompt goes through in chunks as the same prompt")
    func chunks() throws {
        let engine = try tinyEngine()
        let question = String(repeating: "猜猜这是哪里？", count: 500)
        let answer = try engine.answer(ask(question, images: 1, maxTokens: 4), pictures: [referencePicture(0)])
        #expect(answer.usage.promptTokens > 512 && answer.tokens.count == 4)
    }

    @Test("a prompt beyond the context is refused with the counts")
    func tooLong() throws {
        let engine = try tinyEngine(contextTokensMax: 100)
        let error = #expect(throws: Interruption.self) {
            try engine.answer(ask("q", images: 3, maxTokens: 40), pictures: (0..<3).map(referencePicture))
        }
        guard case .failed(let job) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(job.code == .promptTooLong)
        for part in ["48 of them for 3 pictures", "40", "100"] { #expect(job.message.contains(part), "\(job)") }
    }

    @Test("pictures that cannot be decoded or are too large are the job's fault, with the picture's number")
    func badPictures() throws {
        let engine = try tinyEngine()
        let good = try referencePicture(3)
        let cases: [(Data, JobErrorCode)] = [
            (Data(), .invalidImage), (Data("no picture".utf8), .invalidImage), (good.prefix(900), .invalidImage),
        ]
        for (picture, code) in cases {
            let error = #expect(throws: Interruption.self) {
                try engine.answer(ask("q", images: 2), pictures: [good, picture])
            }
            guard case .failed(let job) = error else { return #expect(Bool(false), "\(String(describing: error))") }
            #expect(job.code == code && !job.retryable && job.message.hasPrefix("image 1: "))
        }
        var options = Engine.Options(threads: 1)
        options.imageLimits.pixelsMax = 600
        let strict = try Engine.load(ModelLocation.find(tinyFolder), options: options)
        let error = #expect(throws: Interruption.self) { try strict.answer(ask("q", images: 1), pictures: [good]) }
        guard case .failed(let job) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(job.code == .inputTooLarge)
    }

    @Test("conversations that cannot be rendered are refused")
    func badConversations() throws {
        let engine = try tinyEngine()
        let user = ChatMessage(role: .user, content: "q")
        let assistant = ChatMessage(role: .assistant, content: "a")
        for messages in [[], [assistant], [user, assistant], [user, user, user]] {
            let error = #expect(throws: Interruption.self) { try engine.answer(AnswerParameters(messages: messages)) }
            guard case .failed(let job) = error else { return #expect(Bool(false), "\(String(describing: error))") }
            #expect(job.code == .invalidRequest && !job.retryable)
        }
        #expect(throws: Interruption.self) { try engine.answer(ask("q", images: 1)) }
        #expect(throws: Interruption.self) { try engine.answer(ask("q"), pictures: [referencePicture(0)]) }
        #expect(throws: Interruption.self) { try engine.answer(ask("q", maxTokens: 0)) }
        #expect(try !engine.answer(AnswerParameters(messages: [user, assistant, user], maxTokens: 4)).tokens.isEmpty)
    }

    @Test("the answer stops wherever the observer says so")
    func stopping() throws {
        let engine = try tinyEngine()
        var limit = 0
        while true {
            var calls = 0
            do {
                _ = try engine.answer(ask("q", images: 1, maxTokens: 5), pictures: [referencePicture(0)]) { _ in
                    calls += 1
                    return calls <= limit
                }
                break
            } catch Interruption.stopped { #expect(calls == limit + 1) }
            limit += 1
        }
        #expect(limit > 12)
    }
}

@Suite("Loading")
struct LoadingTests {
    /// A copy of the tiny checkpoint, by links, that `change` may spoil.
    private func load(without missing: String? = nil, changing change: (URL) throws -> Void = { _ in }) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in try FileManager.default.contentsOfDirectory(atPath: tinyFolder) where name != missing {
            try FileManager.default.copyItem(
                at: URL(filePath: tinyFolder).appending(path: name), to: folder.appending(path: name))
        }
        try change(folder)
        _ = try Engine.load(ModelLocation.find(folder.path), options: Engine.Options(threads: 1))
    }

    @Test("a missing file is named", arguments: ["tokenizer.json", "preprocessor_config.json", "config.json"])
    func missing(name: String) throws {
        let error = #expect(throws: EngineError.self) { try load(without: name) }
        #expect(error?.description.contains(name) == true)
    }

    @Test("a preprocessor of another size does not fit")
    func otherSize() throws {
        let error = #expect(throws: EngineError.self) {
            try load { folder in
                let file = "{\"image_size\":384,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5]}"
                try Data(file.utf8).write(to: folder.appending(path: "preprocessor_config.json"))
            }
        }
        #expect(error?.description.contains("384") == true)
    }

    @Test("a tokenizer with more ids than the model has embeddings does not fit")
    func otherTokenizer() throws {
        let error = #expect(throws: EngineError.self) {
            try load { folder in
                let path = folder.appending(path: "tokenizer.json")
                let text = try String(contentsOf: path, encoding: .utf8)
                try text.replacingOccurrences(of: "\"id\": 629", with: "\"id\": 9629")
                    .write(to: path, atomically: true, encoding: .utf8)
            }
        }
        #expect(error?.description.contains("9629") == true)
    }

    @Test("AMD's AVX-512 cores, which OpenBLAS 0.3.21 misjudges, are told which kernels to take")
    func coreType() {
        func information(_ vendor: String, _ flags: String) -> String {
            "processor\t: 0\nvendor_id\t: \(vendor)\nflags\t\t: fpu \(flags)\nbugs\t: none\n\nprocessor\t: 1\n"
        }
        let avx512 = "avx512f avx512dq avx512cd avx512bw avx512vl"
        #expect(ProcessorChoice.coreType(cpuInformation: information("AuthenticAMD", avx512)) == "SkylakeX")
        #expect(
            ProcessorChoice.coreType(cpuInformation: information("AuthenticAMD", avx512 + " avx512_bf16"))
                == "Cooperlake")
        #expect(ProcessorChoice.coreType(cpuInformation: information("AuthenticAMD", "avx2")) == nil)
        #expect(ProcessorChoice.coreType(cpuInformation: information("GenuineIntel", avx512)) == nil)
        #expect(ProcessorChoice.coreType(cpuInformation: "") == nil)
    }
}
