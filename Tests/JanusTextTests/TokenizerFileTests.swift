import Foundation
import JanusText
import TestSupport
import Testing

@Suite("Tokenizer files")
struct TokenizerFileTests {
    private func file() throws -> [String: Any] {
        let data = try Data(contentsOf: URL(filePath: Reference.file("Reference/tiny/hf/tokenizer.json")))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func load(_ file: [String: Any]) throws -> Tokenizer {
        let path = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString).json")
        try JSONSerialization.data(withJSONObject: file).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        return try Tokenizer(path: path.path)
    }

    private func changed(_ key: String, _ change: (inout [String: Any]) -> Void) throws -> [String: Any] {
        var file = try file()
        var part = try #require(file[key] as? [String: Any])
        change(&part)
        file[key] = part
        return file
    }

    @Test("a missing file says what a checkpoint needs")
    func missing() {
        #expect(throws: TextError.missingFile(path: "/nowhere/tokenizer.json")) {
            try Tokenizer(path: "/nowhere/tokenizer.json")
        }
    }

    @Test("a file that is no JSON is refused")
    func notJSON() throws {
        #expect(throws: TextError.self) { try Tokenizer(path: Reference.file("Reference/tiny/image0.png")) }
    }

    @Test("a folder in place of the file is refused")
    func folder() throws {
        #expect(throws: TextError.self) { try Tokenizer(path: Reference.file("Reference/tiny")) }
    }

    @Test("merges written as pairs give the ids of merges written as lines")
    func mergeForms() throws {
        let lines = try load(try file())
        let pairs = try load(
            try changed("model") { model in
                let merges = model["merges"] as? [Any] ?? []
                model["merges"] = merges.map { merge in
                    (merge as? String)?.split(separator: " ").map(String.init) ?? (merge as? [String] ?? [])
                }
            })
        let joined = try load(
            try changed("model") { model in
                let merges = model["merges"] as? [Any] ?? []
                model["merges"] = merges.map { ($0 as? [String])?.joined(separator: " ") ?? ($0 as? String ?? "") }
            })
        let text = "Describe this scene in detail. 猜猜这是哪里？"
        #expect(lines.encode(text: text) == pairs.encode(text: text))
        #expect(lines.encode(text: text) == joined.encode(text: text))
    }

    @Test(
        "what would change the ids and is not supported is refused",
        arguments: ["byte_fallback", "ignore_merges"])
    func unsupportedModel(key: String) throws {
        let file = try changed("model") { $0[key] = true }
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("a normalizer is refused, an empty one is not")
    func normalizers() throws {
        var file = try file()
        file["normalizer"] = ["type": "Sequence", "normalizers": [Any]()] as [String: Any]
        _ = try load(file)
        file["normalizer"] = ["type": "NFC"]
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("a merge of unknown tokens is refused")
    func unknownMerge() throws {
        let file = try changed("model") { $0["merges"] = ["zz zz"] }
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("a byte without a token is refused")
    func missingByte() throws {
        let file = try changed("model") { model in
            var vocab = model["vocab"] as? [String: Any] ?? [:]
            vocab["!"] = nil
            model["vocab"] = vocab
        }
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("a missing special token is named")
    func missingSpecial() throws {
        var file = try file()
        let tokens = try #require(file["added_tokens"] as? [[String: Any]])
        file["added_tokens"] = tokens.filter { $0["content"] as? String != "<end_of_image>" }
        let error = #expect(throws: TextError.self) { try load(file) }
        #expect(error?.description.contains("<end_of_image>") == true)
    }

    @Test("an id far beyond any vocabulary is refused", arguments: [-1, 1 << 40])
    func absurdID(id: Int) throws {
        let file = try changed("model") { model in
            var vocab = model["vocab"] as? [String: Any] ?? [:]
            vocab["zz"] = id
            model["vocab"] = vocab
        }
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test(
        "patterns beyond character classes are refused, with the pattern named",
        arguments: ["(a|b)", "a{2}", "[a-z", "\\w+", "a+?", "[a&&b]", "\\p{Foo}", "x*", "(?=a)", "[z-a]", "a\\"])
    func unsupportedPatterns(regex: String) throws {
        let file = try withSteps([["type": "Split", "pattern": ["Regex": regex], "behavior": "Isolated"]])
        let error = #expect(throws: TextError.self) { try load(file) }
        #expect(error?.description.contains(regex) == true, "\(String(describing: error))")
    }

    @Test("behaviours other than Isolated are refused", arguments: ["Removed", "MergedWithPrevious"])
    func unsupportedBehaviours(behavior: String) throws {
        let file = try withSteps([["type": "Split", "pattern": ["String": "a"], "behavior": behavior]])
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("a pre-tokenizer that does not end in ByteLevel is refused")
    func noByteLevel() throws {
        var file = try file()
        file["pre_tokenizer"] = ["type": "Digits", "individual_digits": true] as [String: Any]
        #expect(throws: TextError.self) { try load(file) }
    }

    @Test("added tokens that are not special match inside words, the longest first")
    func addedTokens() throws {
        var file = try file()
        var tokens = try #require(file["added_tokens"] as? [[String: Any]])
        for (id, content) in [(700, "ö"), (701, "öö"), (702, "ist")] {
            tokens.append(["id": id, "content": content, "special": false, "normalized": true])
        }
        file["added_tokens"] = tokens
        let tokenizer = try load(file)
        #expect(tokenizer.vocabularySize == 703)
        let ids = tokenizer.encode(text: "aöööb assist")
        #expect(ids.filter { $0 >= 700 } == [701, 700, 702])
        #expect(tokenizer.decode(ids) == "aöööb assist")
    }

    private func withSteps(_ steps: [[String: Any]]) throws -> [String: Any] {
        var file = try file()
        let last: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]
        file["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": steps + [last]] as [String: Any]
        return file
    }
}
