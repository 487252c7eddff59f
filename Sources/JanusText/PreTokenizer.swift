/// Cuts text into the pieces within which BPE merges: each step of the file cuts the pieces of the one before.
struct PreTokenizer {
    let steps: [Pattern]

    /// - Throws: `unsupported` for any component that would cut differently than this type can.
    init(_ component: TokenizerFile.Component?, path: String) throws(TextError) {
        guard let component else { throw .unsupported(path: path, what: "no pre-tokenizer") }
        let components = component.type == "Sequence" ? component.pretokenizers ?? [] : [component]
        guard let last = components.last, last.type == "ByteLevel" else {
            throw .unsupported(path: path, what: "a pre-tokenizer that does not end in ByteLevel")
        }
        guard last.addPrefixSpace == false, last.useRegex == false else {
            throw .unsupported(path: path, what: "ByteLevel with add_prefix_space or use_regex")
        }
        var steps: [Pattern] = []
        for component in components.dropLast() { steps.append(try Self.step(component, path: path)) }
        self.steps = steps
    }

    private static func step(_ component: TokenizerFile.Component, path: String) throws(TextError) -> Pattern {
        do throws(PatternError) {
            switch component.type {
            case "Digits":
                let max = component.individualDigits == true ? 1 : Int.max
                let numbers = ScalarSet(ranges: [], categories: ScalarSet.numbers)
                return try Pattern(elements: [.run(numbers, min: 1, max: max)])
            case "Split":
                guard component.behavior == "Isolated", component.invert != true else {
                    throw PatternError(reason: "a behaviour other than Isolated")
                }
                if let regex = component.pattern?.regex { return try Pattern(regex: regex) }
                if let literal = component.pattern?.string { return try Pattern(literal: literal) }
                throw PatternError(reason: "no pattern")
            default: throw PatternError(reason: "an unknown type")
            }
        } catch {
            let pattern = component.pattern?.regex.map { " \($0.prefix(40).debugDescription)" } ?? ""
            throw .unsupported(path: path, what: "pre-tokenizer \(component.type)\(pattern) with \(error.reason)")
        }
    }

    /// The pieces of `range`, in order, none empty.
    func pieces(of text: [UInt32], in range: Range<Int>) -> [Range<Int>] {
        var pieces = range.isEmpty ? [] : [range]
        for step in steps {
            var finer: [Range<Int>] = []
            finer.reserveCapacity(pieces.count * 2)
            for piece in pieces { step.split(text, piece, into: &finer) }
            pieces = finer
        }
        return pieces
    }
}
