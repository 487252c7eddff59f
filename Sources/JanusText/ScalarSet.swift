/// A set of Unicode scalars as a regular expression's class names it.
struct ScalarSet {
    private var ranges: [ClosedRange<UInt32>]
    private var categories: Set<Unicode.GeneralCategory>
    private var isNegated: Bool
    /// Most text is ASCII: one look-up instead of two searches.
    private var ascii: [Bool]

    init(ranges: [ClosedRange<UInt32>], categories: Set<Unicode.GeneralCategory> = [], isNegated: Bool = false) {
        self.ranges = ranges.sorted { $0.lowerBound < $1.lowerBound }
        self.categories = categories
        self.isNegated = isNegated
        ascii = []
        ascii = (0..<128).map { slowContains($0) }
    }

    func contains(_ scalar: UInt32) -> Bool {
        scalar < 128 ? ascii[Int(scalar)] : slowContains(scalar)
    }

    private func slowContains(_ scalar: UInt32) -> Bool {
        var isListed = false
        // Ranges may overlap, so look at every one that starts early enough only where the nearest does not match.
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].lowerBound <= scalar { low = middle + 1 } else { high = middle }
        }
        if low > 0 {
            isListed = ranges[low - 1].contains(scalar) || ranges[..<(low - 1)].contains { $0.contains(scalar) }
        }
        if !isListed, !categories.isEmpty, let scalar = Unicode.Scalar(scalar) {
            isListed = categories.contains(scalar.properties.generalCategory)
        }
        return isListed != isNegated
    }

    /// Oniguruma's `\s` over Unicode.
    static let whitespaceRanges: [ClosedRange<UInt32>] = [
        0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
        0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
    ]

    /// Every scalar outside sorted, disjoint ranges.
    static func complement(of ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return result
    }

    /// General categories by their names in `\p{…}`; a single letter is the whole group.
    static let categoriesByName: [String: Set<Unicode.GeneralCategory>] = [
        "L": [.uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter],
        "Lu": [.uppercaseLetter], "Ll": [.lowercaseLetter], "Lt": [.titlecaseLetter], "Lm": [.modifierLetter],
        "Lo": [.otherLetter],
        "M": [.nonspacingMark, .spacingMark, .enclosingMark],
        "Mn": [.nonspacingMark], "Mc": [.spacingMark], "Me": [.enclosingMark],
        "N": numbers, "Nd": [.decimalNumber], "Nl": [.letterNumber], "No": [.otherNumber],
        "P": [
            .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation,
        ],
        "Pc": [.connectorPunctuation], "Pd": [.dashPunctuation], "Ps": [.openPunctuation], "Pe": [.closePunctuation],
        "Pi": [.initialPunctuation], "Pf": [.finalPunctuation], "Po": [.otherPunctuation],
        "S": [.mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol],
        "Sm": [.mathSymbol], "Sc": [.currencySymbol], "Sk": [.modifierSymbol], "So": [.otherSymbol],
        "Z": [.spaceSeparator, .lineSeparator, .paragraphSeparator],
        "Zs": [.spaceSeparator], "Zl": [.lineSeparator], "Zp": [.paragraphSeparator],
        "C": [.control, .format, .surrogate, .privateUse, .unassigned],
        "Cc": [.control], "Cf": [.format], "Cs": [.surrogate], "Co": [.privateUse], "Cn": [.unassigned],
    ]

    static let numbers: Set<Unicode.GeneralCategory> = [.decimalNumber, .letterNumber, .otherNumber]

    static let allCategories = Set(
        ["L", "M", "N", "P", "S", "Z", "C"].flatMap { categoriesByName[$0, default: []] })
}
