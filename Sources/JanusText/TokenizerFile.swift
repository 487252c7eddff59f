import Foundation

/// The parts of a Hugging Face `tokenizer.json` that decide token ids.
struct TokenizerFile: Decodable {
    var addedTokens: [AddedToken]
    var normalizer: Component?
    var preTokenizer: Component?
    var decoder: Component?
    var model: Model

    enum CodingKeys: String, CodingKey {
        case addedTokens = "added_tokens"
        case normalizer
        case preTokenizer = "pre_tokenizer"
        case decoder
        case model
    }

    struct AddedToken: Decodable {
        var id: Int
        var content: String
        var special: Bool
        var normalized: Bool?
        var singleWord: Bool?
        var lstrip: Bool?
        var rstrip: Bool?

        enum CodingKeys: String, CodingKey {
            case id, content, special, normalized, lstrip, rstrip
            case singleWord = "single_word"
        }
    }

    /// A normalizer, pre-tokenizer or decoder; which fields it has depends on `type`.
    struct Component: Decodable {
        var type: String
        var normalizers: [Component]?
        var pretokenizers: [Component]?
        var pattern: SplitPattern?
        var behavior: String?
        var invert: Bool?
        var individualDigits: Bool?
        var addPrefixSpace: Bool?
        var useRegex: Bool?

        enum CodingKeys: String, CodingKey {
            case type, normalizers, pretokenizers, pattern, behavior, invert
            case individualDigits = "individual_digits"
            case addPrefixSpace = "add_prefix_space"
            case useRegex = "use_regex"
        }
    }

    struct SplitPattern: Decodable {
        var regex: String?
        var string: String?

        enum CodingKeys: String, CodingKey {
            case regex = "Regex"
            case string = "String"
        }
    }

    struct Model: Decodable {
        var type: String?
        var dropout: Double?
        var continuingSubwordPrefix: String?
        var endOfWordSuffix: String?
        var byteFallback: Bool?
        var ignoreMerges: Bool?
        /// Every key is written in the byte alphabet, which has no two canonically equivalent strings, so that
        /// Swift's string equality is the file's.
        var vocab: [String: Int]
        var merges: Merges

        enum CodingKeys: String, CodingKey {
            case type, dropout, vocab, merges
            case continuingSubwordPrefix = "continuing_subword_prefix"
            case endOfWordSuffix = "end_of_word_suffix"
            case byteFallback = "byte_fallback"
            case ignoreMerges = "ignore_merges"
        }
    }

    /// Older files write a merge as `"a b"`, newer ones as `["a", "b"]`.
    struct Merges: Decodable {
        var pairs: [(left: String, right: String)]

        init(from decoder: any Decoder) throws {
            do {
                let lines = try [String](from: decoder)
                pairs = try lines.map { try Self.pair($0.split(separator: " ").map(String.init), decoder) }
            } catch DecodingError.typeMismatch {
                pairs = try [[String]](from: decoder).map { try Self.pair($0, decoder) }
            }
        }

        private static func pair(_ parts: [String], _ decoder: any Decoder) throws -> (String, String) {
            guard parts.count == 2 else {
                throw DecodingError.dataCorrupted(
                    .init(
                        codingPath: decoder.codingPath,
                        debugDescription: "the merge \(parts) has \(parts.count) parts instead of 2"))
            }
            return (parts[0], parts[1])
        }
    }

    /// - Throws: `missingFile`, `unreadable`, `malformed`.
    static func read(path: String, contents: Data? = nil) throws(TextError) -> TokenizerFile {
        guard contents != nil || FileManager.default.fileExists(atPath: path) else { throw .missingFile(path: path) }
        let bytes: Data
        do {
            bytes = try contents ?? Data(contentsOf: URL(filePath: path))
        } catch {
            throw .unreadable(path: path, reason: error.localizedDescription)
        }
        do {
            return try JSONDecoder().decode(TokenizerFile.self, from: bytes)
        } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
    }
}
