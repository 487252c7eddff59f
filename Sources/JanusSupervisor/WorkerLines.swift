/// What a worker writes to its standard error, as lines for the log. They are bounded in length and number, since a worker that a
/// stranger's picture has taken over writes what it likes.
package struct WorkerLines: Sendable {
    package static let lineBytesMax = 1000
    package static let linesMax = 100
    /// In which so many are kept.
    package static let intervalSeconds = 10.0

    private var pending: [UInt8] = []
    private var intervalStart = -Double.infinity
    private var lines = 0
    private var dropped = 0

    package init() {}

    /// - Parameter now: seconds of any clock that only grows.
    /// - Returns: the lines that are whole now, without control characters; a longer one is cut.
    package mutating func append(_ bytes: some Sequence<UInt8>, now: Double) -> [String] {
        var whole: [String] = []
        for byte in bytes {
            if byte != UInt8(ascii: "\n") {
                if pending.count < Self.lineBytesMax { pending.append(byte) }
            } else if let line = end(now: now) {
                whole += line
            }
        }
        return whole
    }

    /// What is left when nothing more can come.
    package mutating func finish(now: Double) -> [String] { end(now: now) ?? [] }

    private mutating func end(now: Double) -> [String]? {
        defer { pending = [] }
        guard !pending.isEmpty else { return nil }
        var said: [String] = []
        if now - intervalStart >= Self.intervalSeconds {
            if dropped > 0 { said.append("(\(dropped) lines more)") }
            (intervalStart, lines, dropped) = (now, 0, 0)
        }
        guard lines < Self.linesMax else {
            dropped += 1
            return nil
        }
        lines += 1
        let text = String(decoding: pending, as: UTF8.self)
        said.append(String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isControl ? " " : $0 })))
        return said
    }
}

extension Unicode.Scalar {
    /// Whether a terminal or a log could take it for a command or the end of a line.
    fileprivate var isControl: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
