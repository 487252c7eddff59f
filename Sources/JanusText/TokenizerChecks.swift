/// What a file must and must not have for `Tokenizer` to give the ids that its author meant.
extension Tokenizer {
    static func checkSupport(_ file: TokenizerFile, path: String) throws(TextError) {
        let model = file.model
        // Files from before `type` was written are BPE when they have merges.
        if let type = model.type, type != "BPE" { throw .unsupported(path: path, what: "a \(type) model") }
        if model.byteFallback == true { throw .unsupported(path: path, what: "byte_fallback") }
        if model.ignoreMerges == true { throw .unsupported(path: path, what: "ignore_merges") }
        if let dropout = model.dropout, dropout != 0 { throw .unsupported(path: path, what: "BPE dropout") }
        if model.continuingSubwordPrefix?.isEmpty == false {
            throw .unsupported(path: path, what: "continuing_subword_prefix")
        }
        if model.endOfWordSuffix?.isEmpty == false { throw .unsupported(path: path, what: "end_of_word_suffix") }
        if let normalizer = file.normalizer {
            guard normalizer.type == "Sequence", normalizer.normalizers?.isEmpty != false else {
                throw .unsupported(path: path, what: "the normalizer \(normalizer.type)")
            }
        }
        if let decoder = file.decoder, decoder.type != "ByteLevel" {
            throw .unsupported(path: path, what: "the decoder \(decoder.type)")
        }
        for token in file.addedTokens where token.singleWord == true || token.lstrip == true || token.rstrip == true {
            throw .unsupported(path: path, what: "single_word, lstrip or rstrip of the added token \(token.content)")
        }
    }

    static func merger(_ model: TokenizerFile.Model, path: String) throws(TextError) -> BytePairMerger {
        var byteTokens: [Int32] = []
        for (byte, scalar) in ByteAlphabet.scalars.enumerated() {
            let id = Unicode.Scalar(scalar).flatMap { model.vocab[String($0)] }
            // Some vocabularies leave out the bytes that no UTF-8 text has.
            guard let id = id ?? (neverInUTF8(byte) ? -1 : nil) else {
                throw .malformed(path: path, reason: "the vocabulary has no token for byte \(byte)")
            }
            byteTokens.append(Int32(id))
        }
        var merger = BytePairMerger(byteTokens: byteTokens, mergesCapacity: model.merges.pairs.count)
        for (rank, pair) in model.merges.pairs.enumerated() {
            guard let left = model.vocab[pair.left], let right = model.vocab[pair.right],
                let merged = model.vocab[pair.left + pair.right]
            else {
                throw .malformed(
                    path: path, reason: "merge \(rank) (\(pair.left) \(pair.right)) names a token that is not in vocab")
            }
            merger.add(Int32(left), Int32(right), .init(rank: Int32(rank), merged: Int32(merged)))
        }
        return merger
    }

    private static func neverInUTF8(_ byte: Int) -> Bool { byte == 0xC0 || byte == 0xC1 || byte >= 0xF5 }

    static func specialIDs(_ file: TokenizerFile, path: String) throws(TextError) -> SpecialTokenIDs {
        func id(_ token: SpecialToken) throws(TextError) -> Int32 {
            guard let found = file.addedTokens.last(where: { $0.content == token.content }) else {
                throw .missingToken(path: path, content: token.content)
            }
            return Int32(found.id)
        }
        return SpecialTokenIDs(
            beginOfSentence: try id(.beginOfSentence), endOfSentence: try id(.endOfSentence), pad: try id(.pad),
            beginOfImage: try id(.beginOfImage), endOfImage: try id(.endOfImage),
            imagePlaceholder: try id(.imagePlaceholder))
    }
}
