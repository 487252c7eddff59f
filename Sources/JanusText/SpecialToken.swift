/// The special tokens of Janus-Pro's prompts; their ids are looked up in the checkpoint's tokenizer by content.
package enum SpecialToken: String, CaseIterable, Sendable {
    case beginOfSentence = "<｜begin▁of▁sentence｜>"
    case endOfSentence = "<｜end▁of▁sentence｜>"
    case pad = "<｜▁pad▁｜>"
    case beginOfImage = "<begin_of_image>"
    case endOfImage = "<end_of_image>"
    case imagePlaceholder = "<image_placeholder>"

    package var content: String { rawValue }
}

/// The ids that one checkpoint gives its special tokens.
package struct SpecialTokenIDs: Sendable, Equatable {
    package let beginOfSentence: Int32
    package let endOfSentence: Int32
    package let pad: Int32
    package let beginOfImage: Int32
    package let endOfImage: Int32
    package let imagePlaceholder: Int32

    package subscript(token: SpecialToken) -> Int32 {
        switch token {
        case .beginOfSentence: beginOfSentence
        case .endOfSentence: endOfSentence
        case .pad: pad
        case .beginOfImage: beginOfImage
        case .endOfImage: endOfImage
        case .imagePlaceholder: imagePlaceholder
        }
    }
}
