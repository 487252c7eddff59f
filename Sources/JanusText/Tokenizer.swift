package import Foundation

/// Byte-level BPE as a checkpoint's `tokenizer.json` describes it (Hugging Face's format).
///
/// The post-processor of the file is not used: Janus-Pro's prompts begin with one BOS, which `encode(_:pictureTokens:)`
/// puts there.
package struct Tokenizer: Sendable {
    /// Highest id that a file may use: far beyond any vocabulary, low enough for a table.
    static let tokenIDMax = 1 << 24

    package let specials: SpecialTokenIDs
    /// One more than the highest id.
    package let vocabularySize: Int
    /// What each id stands for; nil in gaps.
    private let tokenBytes: [[UInt8]?]
    /// Of the longest token.
    package let tokenBytesMax: Int
    private let specialIDs: Set<Int32>
    private let preTokenizer: PreTokenizer
    private let merger: BytePairMerger
    /// Matched before the others, as Hugging Face does with tokens that the normalizer must not touch.
    private let rawAddedTokens: AddedTokens
    private let addedTokens: AddedTokens

    /// Reads a `tokenizer.json`.
    /// - Parameter contents: nil reads the file; otherwise the path is only its name in errors.
    /// - Throws: `TextError` naming the file and what is missing, broken or unsupported in it.
    package init(path: String, contents: Data? = nil) throws(TextError) {
        let file = try TokenizerFile.read(path: path, contents: contents)
        try Self.checkSupport(file, path: path)
        preTokenizer = try PreTokenizer(file.preTokenizer, path: path)

        let ids = file.model.vocab.values + file.addedTokens.map(\.id)
        for id in ids where !(0...Self.tokenIDMax).contains(id) {
            throw .malformed(path: path, reason: "token id \(id) is outside 0…\(Self.tokenIDMax)")
        }
        var tokenBytes = [[UInt8]?](repeating: nil, count: (ids.max() ?? -1) + 1)
        for (entry, id) in file.model.vocab { tokenBytes[id] = ByteAlphabet.bytes(of: entry) ?? Array(entry.utf8) }
        // An added token stands for its content, even where that could be read as an entry of the byte alphabet.
        for token in file.addedTokens { tokenBytes[token.id] = Array(token.content.utf8) }
        self.tokenBytes = tokenBytes
        tokenBytesMax = tokenBytes.reduce(0) { max($0, $1?.count ?? 0) }
        vocabularySize = tokenBytes.count

        merger = try Self.merger(file.model, path: path)
        specials = try Self.specialIDs(file, path: path)
        specialIDs = Set(file.addedTokens.filter(\.special).map { Int32($0.id) })
        var raw = AddedTokens()
        var normalized = AddedTokens()
        for token in file.addedTokens where !token.special {
            if token.normalized == true {
                normalized.add(token.content, id: Int32(token.id))
            } else {
                raw.add(token.content, id: Int32(token.id))
            }
        }
        rawAddedTokens = raw
        addedTokens = normalized
    }

    /// Token ids of ordinary text, without BOS. No part of it becomes a special token.
    package func encode(text: String) -> [Int32] {
        let scalars = text.unicodeScalars.map(\.value)
        var ids: [Int32] = []
        for outer in rawAddedTokens.split(scalars, 0..<scalars.count) {
            switch outer {
            case .token(let id): ids.append(id)
            case .text(let range):
                for inner in addedTokens.split(scalars, range) {
                    switch inner {
                    case .token(let id): ids.append(id)
                    case .text(let range): encode(scalars, range, into: &ids)
                    }
                }
            }
        }
        return ids
    }

    private func encode(_ scalars: [UInt32], _ range: Range<Int>, into ids: inout [Int32]) {
        var bytes: [UInt8] = []
        for piece in preTokenizer.pieces(of: scalars, in: range) {
            bytes.removeAll(keepingCapacity: true)
            for value in scalars[piece] {
                if let scalar = Unicode.Scalar(value) {
                    bytes.append(contentsOf: Unicode.UTF8.encode(scalar) ?? .init())
                }
            }
            merger.encode(bytes, into: &ids)
        }
    }

    /// The bytes that a token adds to a text: none for special tokens and for ids that the file does not have.
    func bytes(of id: Int32) -> [UInt8] {
        guard tokenBytes.indices.contains(Int(id)), !specialIDs.contains(id) else { return [] }
        return tokenBytes[Int(id)] ?? []
    }

    /// The text of a token sequence without its special tokens; bytes that are not UTF-8 become U+FFFD.
    package func decode(_ ids: some Sequence<Int32>) -> String {
        var decoder = TokenDecoder(self)
        var text: [UInt8] = []
        for id in ids { decoder.append(id, to: &text) }
        decoder.finish(&text)
        return String(decoding: text, as: UTF8.self)
    }
}
