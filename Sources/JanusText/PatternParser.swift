extension Pattern {
    /// Parses `[…]`, `\s`, `\p{…}`, literal characters, the quantifiers `?`, `+`, `*`, and `$`.
    init(regex: String) throws(PatternError) {
        var parser = PatternParser(scalars: Array(regex.unicodeScalars))
        try self.init(elements: try parser.parse())
    }
}

private struct PatternParser {
    let scalars: [Unicode.Scalar]
    var position = 0

    /// What one item of a class, or an escape, stands for.
    enum Item {
        case scalar(UInt32)
        case ranges([ClosedRange<UInt32>])
        case categories(Set<Unicode.GeneralCategory>)
    }

    mutating func parse() throws(PatternError) -> [Pattern.Element] {
        var elements: [Pattern.Element] = []
        while let scalar = peek() {
            switch scalar {
            case "$":
                position += 1
                elements.append(.lineEnd)
            case "[": elements.append(try quantified(try parseClass()))
            case "(", ")", "|", "{", "}", "^", "*", "+", "?": throw unsupported("‘\(scalar)’")
            case ".":
                position += 1
                elements.append(try quantified(ScalarSet(ranges: [0x0A...0x0A], isNegated: true)))
            default: elements.append(try quantified(Self.set(of: [try parseItem()])))
            }
        }
        return elements
    }

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private func unsupported(_ what: String) -> PatternError {
        PatternError(reason: "\(what) at character \(position)")
    }

    private mutating func quantified(_ set: ScalarSet) throws(PatternError) -> Pattern.Element {
        let element: Pattern.Element
        switch peek() {
        case "?": element = .run(set, min: 0, max: 1)
        case "+": element = .run(set, min: 1, max: .max)
        case "*": element = .run(set, min: 0, max: .max)
        default: return .run(set, min: 1, max: 1)
        }
        position += 1
        if let next = peek(), next == "?" || next == "+" || next == "*" {
            throw unsupported("a lazy or possessive quantifier")
        }
        return element
    }

    private mutating func parseClass() throws(PatternError) -> ScalarSet {
        position += 1
        let isNegated = peek() == "^"
        if isNegated { position += 1 }
        var items: [Item] = []
        while let scalar = peek(), scalar != "]" {
            if scalar == "[" { throw unsupported("a class within a class") }
            if scalar == "&", position + 1 < scalars.count, scalars[position + 1] == "&" {
                throw unsupported("a class intersection")
            }
            let item = try parseItem()
            guard case .scalar(let first) = item, peek() == "-", position + 1 < scalars.count,
                scalars[position + 1] != "]"
            else {
                items.append(item)
                continue
            }
            position += 1
            guard case .scalar(let last) = try parseItem(), first <= last else {
                throw unsupported("a range that does not ascend")
            }
            items.append(.ranges([first...last]))
        }
        guard peek() == "]" else { throw unsupported("a class without its ‘]’") }
        position += 1
        return Self.set(of: items, isNegated: isNegated)
    }

    private mutating func parseItem() throws(PatternError) -> Item {
        guard let scalar = peek() else { throw unsupported("an unfinished pattern") }
        position += 1
        guard scalar == "\\" else { return .scalar(scalar.value) }
        guard let escaped = peek() else { throw unsupported("an unfinished escape") }
        position += 1
        switch escaped {
        case "s": return .ranges(ScalarSet.whitespaceRanges)
        case "S": return .ranges(ScalarSet.complement(of: ScalarSet.whitespaceRanges))
        case "d": return .categories([.decimalNumber])
        case "D": return .categories(ScalarSet.allCategories.subtracting([.decimalNumber]))
        case "n": return .scalar(0x0A)
        case "r": return .scalar(0x0D)
        case "t": return .scalar(0x09)
        case "p": return .categories(try parseCategory())
        case "P": return .categories(ScalarSet.allCategories.subtracting(try parseCategory()))
        default:
            let isWord = escaped.properties.isAlphabetic || escaped.properties.numericType != nil
            guard !isWord else { throw unsupported("the escape ‘\\\(escaped)’") }
            return .scalar(escaped.value)
        }
    }

    private mutating func parseCategory() throws(PatternError) -> Set<Unicode.GeneralCategory> {
        var name = ""
        guard peek() == "{" else { throw unsupported("a property without ‘{’") }
        position += 1
        while let scalar = peek(), scalar != "}" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        position += 1
        guard let categories = ScalarSet.categoriesByName[name] else { throw unsupported("the property ‘\(name)’") }
        return categories
    }

    private static func set(of items: [Item], isNegated: Bool = false) -> ScalarSet {
        var ranges: [ClosedRange<UInt32>] = []
        var categories: Set<Unicode.GeneralCategory> = []
        for item in items {
            switch item {
            case .scalar(let scalar): ranges.append(scalar...scalar)
            case .ranges(let more): ranges += more
            case .categories(let more): categories.formUnion(more)
            }
        }
        return ScalarSet(ranges: ranges, categories: categories, isNegated: isNegated)
    }
}
