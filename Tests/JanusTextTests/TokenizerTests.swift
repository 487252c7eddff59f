import Foundation
import JanusText
import TestSupport
import Testing

private let tinyPath = Reference.file("Reference/tiny/hf/tokenizer.json")
private let deepSeek = Reference.external("deepseek-llm-tokenizer")

@Suite("Tokenizer")
struct TokenizerTests {
    @Test(
        "every case of llama.cpp's test of DeepSeek-LLM's tokenizer gives its ids",
        .enabled(if: deepSeek != nil, "its tokenizer is not in the repository: JANUS_REFERENCE names its folder"))
    func deepSeekCases() throws {
        let folder = try #require(deepSeek)
        let tokenizer = try Tokenizer(path: folder + "/tokenizer.json")
        let inputs = try String(contentsOfFile: folder + "/cases.inp", encoding: .utf8).unicodeScalars
            .split(onLine: "__ggml_vocab_test__")
        let outputs = try String(contentsOfFile: folder + "/cases.out", encoding: .utf8).unicodeScalars
            .split(separator: "\n", omittingEmptySubsequences: false)
        #expect(inputs.count == 47 && outputs.count >= inputs.count)
        for (input, output) in zip(inputs, outputs) {
            let expected = output.split(separator: " ").compactMap { Int32(String($0)) }
            #expect(tokenizer.encode(text: input) == expected, "\(input.debugDescription)")
            #expect(tokenizer.decode(expected) == input)
        }
    }

    @Test("the prompts of the reference have its ids")
    func referencePrompts() throws {
        let tokenizer = try Tokenizer(path: tinyPath)
        let expected = try ExpectedTensors(path: Reference.file("Reference/tiny/expected.safetensors"))
        let pictureTokens = try #require(Int(expected.metadata["image_tokens"] ?? ""))
        let turns: [String: [PromptTurn]] = [
            "understand0": [PromptTurn(role: .user, content: "Describe this scene in detail.", pictures: 1)],
            "understand1": [PromptTurn(role: .user, content: "What is different? 猜猜这是哪里？", pictures: 2)],
            "chat": [PromptTurn(role: .user, content: "What is 12 + 345?")],
        ]
        for (name, turns) in turns {
            let segments = PromptTemplate.conversation(turns)
            #expect(try PromptTemplate.text(of: segments) == expected.text(name + ".prompt"))
            let prompt = tokenizer.encode(segments, pictureTokens: pictureTokens)
            #expect(try prompt.ids == expected.int32s(name + ".prompt_ids"), "\(name)")
            #expect(prompt.pictures.count == turns[0].pictures)
            for range in prompt.pictures {
                #expect(prompt.ids[range].allSatisfy { $0 == tokenizer.specials.imagePlaceholder })
                #expect(range.count == pictureTokens)
            }
        }
        for (name, text) in [
            "generate0": "a photo of a red apple", "generate1": "a close-up photo of two blue birds 猫",
        ] {
            let segments = PromptTemplate.generation(text)
            #expect(try PromptTemplate.text(of: segments) == expected.text(name + ".prompt"))
            let ids = try expected.int32s(name + ".prompt_ids")
            #expect(tokenizer.encode(segments, pictureTokens: pictureTokens).ids == ids, "\(name)")
        }
    }

    @Test("answers of the reference decode to its texts, token by token too")
    func referenceTexts() throws {
        let tokenizer = try Tokenizer(path: tinyPath)
        let expected = try ExpectedTensors(path: Reference.file("Reference/tiny/expected.safetensors"))
        for name in ["understand0", "understand1", "chat"] {
            #expect(try tokenizer.decode(expected.int32s(name + ".greedy_ids")) == expected.text(name + ".text"))
        }
    }

    struct Cases: Decodable {
        struct Case: Decodable {
            var text: String
            var ids: [Int32]
        }
        var encode: [Case]
        var decode: [Case]
    }

    /// And those that whoever changes the tokenizer names: JANUS_TOKENIZER_CASES=tokenizer.json:cases.json
    @Test("random Unicode texts and ids go both ways as in Hugging Face's tokenizers")
    func huggingFaceCases() throws {
        try check(tinyPath, Reference.file("Fixtures/tokenizer-cases.json"))
        guard let named = ProcessInfo.processInfo.environment["JANUS_TOKENIZER_CASES"] else { return }
        let paths = named.split(separator: ":")
        try #require(paths.count == 2, "JANUS_TOKENIZER_CASES=\(named)")
        try check(String(paths[0]), String(paths[1]))
    }

    private func check(_ tokenizerPath: String, _ casesPath: String) throws {
        let tokenizer = try Tokenizer(path: tokenizerPath)
        let cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: URL(filePath: casesPath)))
        #expect(cases.encode.count > 0 && cases.decode.count > 0)
        for item in cases.encode {
            #expect(tokenizer.encode(text: item.text) == item.ids, "\(item.text.debugDescription)")
        }
        for item in cases.decode {
            #expect(tokenizer.decode(item.ids).unicodeScalars.elementsEqual(item.text.unicodeScalars), "\(item.ids)")
        }
    }

    @Test("text that looks like a special token stays text, and comes back as it was")
    func specialLookAlikes() throws {
        let tokenizer = try Tokenizer(path: tinyPath)
        for token in SpecialToken.allCases {
            let ids = tokenizer.encode(text: token.content)
            #expect(ids.count > 1 && !ids.contains(tokenizer.specials[token]))
            #expect(tokenizer.decode(ids) == token.content)
            #expect(tokenizer.decode([tokenizer.specials[token]]).isEmpty)
        }
    }

    @Test("long runs without a seam are encoded in a moment")
    func longRuns() throws {
        let tokenizer = try Tokenizer(path: tinyPath)
        let start = ContinuousClock.now
        for unit in [" ", "a", "\n", "猫", " \t", "!", "1"] {
            let text = String(repeating: unit, count: 16_384) + "x"
            #expect(tokenizer.decode(tokenizer.encode(text: text)) == text)
        }
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("a character whose bytes are spread over tokens appears with its last one")
    func incrementalDecoding() throws {
        let tokenizer = try Tokenizer(path: tinyPath)
        var decoder = TokenDecoder(tokenizer)
        let ids = tokenizer.encode(text: "😀")
        #expect(ids.count > 1)
        var text: [UInt8] = []
        for id in ids.dropLast() { decoder.append(id, to: &text) }
        #expect(text.isEmpty)
        decoder.append(ids[ids.count - 1], to: &text)
        #expect(text == Array("😀".utf8))
        for id in ids.dropLast() { decoder.append(id, to: &text) }
        #expect(text == Array("😀".utf8))
        decoder.finish(&text)
        #expect(text == Array("😀\u{FFFD}".utf8))
        decoder.finish(&text)
        #expect(text == Array("😀\u{FFFD}".utf8))
    }

    @Test("bytes that are not UTF-8 are replaced as Swift's strings replace them")
    func repair() {
        // what begins and continues characters, and what never does
        let bytes: [UInt8] = [
            0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC1, 0xC3, 0xE0, 0xE7, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        let sequences = (0..<1 << 16).map { number in [12, 8, 4, 0].map { bytes[number >> $0 & 15] } }
        let wrong = sequences.filter { sequence in
            var repaired: [UInt8] = []
            repaired.append(repairing: sequence[...])
            return repaired != Array(String(decoding: sequence, as: UTF8.self).utf8)
        }
        #expect(wrong.isEmpty)
    }
}

extension String.UnicodeScalarView {
    /// The parts between lines of just this text. (Scalars, because "\r\n" is one Character.)
    fileprivate func split(onLine line: String) -> [String] {
        var parts: [[Substring.UnicodeScalarView]] = [[]]
        for part in split(separator: "\n", omittingEmptySubsequences: false) {
            if part.elementsEqual(line.unicodeScalars) {
                parts.append([])
            } else {
                parts[parts.count - 1].append(part)
            }
        }
        return parts.map { $0.map { String($0) }.joined(separator: "\n") }
    }
}
