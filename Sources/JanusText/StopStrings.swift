/// Finds stop strings in a text that comes in parts, in UTF-8, and holds back what could become one. Takes no memory but
/// where the text has no room, or unusually much is held back.
///
/// Compares bytes: Swift's string equality would take canonically equivalent texts for equal.
package struct StopStrings: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []
    private static let heldBytesUsual = 1024

    /// True once a stop string was met; nothing more comes out then.
    package private(set) var isStopped = false

    /// Empty strings are ignored.
    package init(_ stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
        held.reserveCapacity(Self.heldBytesUsual)
    }

    /// Appends the part of the text that is now certain to lie before any stop string.
    /// - Parameter part: what comes next, whole characters.
    package mutating func append(_ part: [UInt8], to text: inout [UInt8]) {
        guard !isStopped else { return }
        held.append(contentsOf: part)
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
        text.append(contentsOf: held[..<start])
        held.removeFirst(isStopped ? held.count : start)
    }

    /// Appends what was held back, at the end of the text: no longer string can come, but a shorter one may be in it.
    package mutating func finish(_ text: inout [UInt8]) {
        let end = held.indices.first { start in stops.contains { held[start...].starts(with: $0) } }
        isStopped = isStopped || end != nil
        text.append(contentsOf: held[..<(end ?? held.count)])
        held.removeAll(keepingCapacity: true)
    }
}
