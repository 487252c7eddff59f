import Foundation

extension Tokenizer {
    /// A tokenizer that merges nothing: each byte is a token, and behind the bytes come the special tokens. For models of
    /// noise, which have no `tokenizer.json`: a text of so many bytes has so many tokens.
    package static func ofBytes() throws(TextError) -> Tokenizer {
        var vocabulary: [String: Int] = [:]
        for (byte, scalar) in ByteAlphabet.scalars.enumerated() {
            if let scalar = Unicode.Scalar(scalar) { vocabulary[String(scalar)] = byte }
        }
        let specials = SpecialToken.allCases.enumerated().map { index, token in
            File.AddedToken(id: vocabulary.count + index, content: token.content)
        }
        let name = "the tokenizer of bytes"
        do {
            return try Tokenizer(
                path: name,
                contents: JSONEncoder().encode(File(addedTokens: specials, model: .init(vocab: vocabulary))))
        } catch let error as TextError {
            throw error
        } catch {
            throw .malformed(path: name, reason: "\(error)")
        }
    }

    /// The parts of `tokenizer.json` that such a tokenizer needs.
    private struct File: Encodable {
        struct AddedToken: Encodable {
            var id: Int
            var content: String
            var special = true
        }

        struct PreTokenizer: Encodable {
            var type = "ByteLevel"
            var addPrefixSpace = false
            var useRegex = false

            enum CodingKeys: String, CodingKey {
                case type
                case addPrefixSpace = "add_prefix_space"
                case useRegex = "use_regex"
            }
        }

        struct Model: Encodable {
            var type = "BPE"
            var vocab: [String: Int]
            var merges: [String] = []
        }

        var addedTokens: [AddedToken]
        var preTokenizer = PreTokenizer()
        var model: Model

        enum CodingKeys: String, CodingKey {
            case addedTokens = "added_tokens"
            case preTokenizer = "pre_tokenizer"
            case model
        }
    }
}
