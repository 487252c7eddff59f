/// A prompt as token ids, and where its pictures' features go.
package struct EncodedPrompt: Sendable, Equatable {
    package var ids: [Int32]
    /// For each picture, in order, the positions of its placeholder tokens.
    package var pictures: [Range<Int>]
}

extension Tokenizer {
    /// BOS, then the segments. Text is encoded as far as it reaches without a special token between.
    /// - Parameter pictureTokens: placeholder tokens a picture (576 for the published checkpoints).
    package func encode(_ segments: [PromptSegment], pictureTokens: Int) -> EncodedPrompt {
        var prompt = EncodedPrompt(ids: [specials.beginOfSentence], pictures: [])
        for segment in segments {
            switch segment {
            case .text(let text): prompt.ids += encode(text: text)
            case .special(let token): prompt.ids.append(specials[token])
            case .picture:
                prompt.ids.append(specials.beginOfImage)
                prompt.pictures.append(prompt.ids.count..<(prompt.ids.count + pictureTokens))
                prompt.ids += [Int32](repeating: specials.imagePlaceholder, count: pictureTokens)
                prompt.ids.append(specials.endOfImage)
            }
        }
        return prompt
    }
}
