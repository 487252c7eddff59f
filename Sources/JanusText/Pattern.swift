/// A regular expression of the kind that tokenizer files split by: a row of character classes with `?`, `+` or `*`, and
/// `$`. Nothing else is accepted, so matching is simple, fast and exactly Oniguruma's.
struct Pattern {
    enum Element {
        /// Between `min` and `max` scalars of the set, as many as possible.
        case run(ScalarSet, min: Int, max: Int)
        /// The end of the text, or a place before a line feed.
        case lineEnd
    }

    let elements: [Element]

    /// - Throws: a sentence on what the pattern has that is not supported.
    init(elements: [Element]) throws(PatternError) {
        let isEmptyMatch = elements.allSatisfy { element in
            switch element {
            case .run(_, let min, _): min == 0
            case .lineEnd: true
            }
        }
        guard !isEmptyMatch else { throw PatternError(reason: "it can match nothing at all") }
        self.elements = elements
    }

    /// A pattern for just this text.
    init(literal: String) throws(PatternError) {
        try self.init(
            elements: literal.unicodeScalars.map { .run(ScalarSet(ranges: [$0.value...$0.value]), min: 1, max: 1) })
    }

    /// Cuts `range` of `text` into matches and what lies between them, in order; no piece is empty.
    func split(_ text: [UInt32], _ range: Range<Int>, into pieces: inout [Range<Int>]) {
        var pieceStart = range.lowerBound
        var position = range.lowerBound
        while position < range.upperBound {
            if let end = match(text, at: position, upTo: range.upperBound, element: 0), end > position {
                if pieceStart < position { pieces.append(pieceStart..<position) }
                pieces.append(position..<end)
                pieceStart = end
                position = end
            } else {
                position = nextCandidate(text, after: position, upTo: range.upperBound)
            }
        }
        if pieceStart < range.upperBound { pieces.append(pieceStart..<range.upperBound) }
    }

    private func match(_ text: [UInt32], at position: Int, upTo end: Int, element: Int) -> Int? {
        guard element < elements.count else { return position }
        switch elements[element] {
        case .lineEnd:
            guard position == end || text[position] == 0x0A else { return nil }
            return match(text, at: position, upTo: end, element: element + 1)
        case .run(let set, let min, let max):
            var count = runLength(of: set, text, at: position, upTo: end, max: max)
            while count >= min {
                if let matchEnd = match(text, at: position + count, upTo: end, element: element + 1) {
                    return matchEnd
                }
                count -= 1
            }
            return nil
        }
    }

    /// Where a match may start after none starts at `position`. A pattern that begins with an unbounded run has tried
    /// every end of that run already: later starts within it cannot do better, and skipping them keeps this linear.
    private func nextCandidate(_ text: [UInt32], after position: Int, upTo end: Int) -> Int {
        guard case .run(let set, 1, .max) = elements[0] else { return position + 1 }
        return position + Swift.max(1, runLength(of: set, text, at: position, upTo: end, max: .max))
    }

    private func runLength(of set: ScalarSet, _ text: [UInt32], at position: Int, upTo end: Int, max: Int) -> Int {
        let limit = Swift.min(end - position, max)
        var count = 0
        while count < limit, set.contains(text[position + count]) { count += 1 }
        return count
    }
}

/// Why a pattern is not one of ours.
struct PatternError: Error, Equatable {
    var reason: String
}
