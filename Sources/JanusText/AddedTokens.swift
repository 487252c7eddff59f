/// Tokens of the file's list that are not special: they are cut out of ordinary text before it is split further, so they
/// match inside words too. The leftmost match counts, the longest of several.
struct AddedTokens {
    private struct Token {
        var scalars: [UInt32]
        var id: Int32
    }

    /// By first scalar, longest first.
    private var tokens: [UInt32: [Token]] = [:]

    mutating func add(_ content: String, id: Int32) {
        let scalars = content.unicodeScalars.map(\.value)
        guard let first = scalars.first else { return }
        tokens[first, default: []].append(Token(scalars: scalars, id: id))
        tokens[first]?.sort { $0.scalars.count > $1.scalars.count }
    }

    enum Piece {
        case text(Range<Int>)
        case token(Int32)
    }

    func split(_ text: [UInt32], _ range: Range<Int>) -> [Piece] {
        guard !tokens.isEmpty else { return [.text(range)] }
        var pieces: [Piece] = []
        var pieceStart = range.lowerBound
        var position = range.lowerBound
        while position < range.upperBound {
            guard let token = match(text, at: position, upTo: range.upperBound) else {
                position += 1
                continue
            }
            if pieceStart < position { pieces.append(.text(pieceStart..<position)) }
            pieces.append(.token(token.id))
            position += token.scalars.count
            pieceStart = position
        }
        if pieceStart < range.upperBound { pieces.append(.text(pieceStart..<range.upperBound)) }
        return pieces
    }

    private func match(_ text: [UInt32], at position: Int, upTo end: Int) -> Token? {
        tokens[text[position]]?.first { token in
            position + token.scalars.count <= end
                && token.scalars.indices.allSatisfy { text[position + $0] == token.scalars[$0] }
        }
    }
}
