/// Finds stop strings in a text that comes in parts, and holds back what could become one.
///
/// Compares bytes: Swift's string equality would take canonically equivalent texts for equal.
package struct StopStrings: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    /// True once a stop string was met; nothing more comes out then.
    package private(set) var isStopped = false

    /// Empty strings are ignored.
    package init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// The part of the text that is now certain to lie before any stop string.
    package mutating func append(_ text: String) -> String {
        guard !isStopped else { return "" }
        held += text.utf8
        var start = 0
        while start < held.count {
            let rest = held[start...]
            if stops.contains(where: { rest.starts(with: $0) }) {
                isStopped = true
                break
            }
            // A stop string may begin here and go on in text that has not come yet.
            if stops.contains(where: { rest.count < $0.count && $0.starts(with: rest) }) { break }
            start += 1
        }
        let text = String(decoding: held[..<start], as: UTF8.self)
        held = isStopped ? [] : Array(held[start...])
        return text
    }

    /// What was held back, at the end of the text: no longer string can come, but a shorter one may be in it.
    package mutating func finish() -> String {
        defer { held = [] }
        let end = held.indices.first { start in stops.contains { held[start...].starts(with: $0) } }
        isStopped = isStopped || end != nil
        return String(decoding: held[..<(end ?? held.count)], as: UTF8.self)
    }
}
