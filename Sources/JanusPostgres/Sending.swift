import CLibPQ
import Foundation
import JanusSystem

/// A moment on the clock that also runs while the machine sleeps.
struct Deadline {
    private let end: ContinuousClock.Instant

    init(seconds: Double) { end = .now.advanced(by: .seconds(max(seconds, 0))) }

    /// For poll(): rounded up, so that it never returns early and spins.
    var remainingMilliseconds: Int32 {
        let left = ContinuousClock.now.duration(to: end)
        return Int32(clamping: Int64((left / .milliseconds(1)).rounded(.up).clamped(to: 0...86_400_000)))
    }
}

extension Double {
    fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}

/// Begins to connect; libpq copies the strings. nil: out of memory.
func startConnecting(_ address: PostgresAddress, _ options: PostgresOptions) -> OpaquePointer? {
    // What the DSN says comes last and wins.
    let pairs = options.keywords + [("dbname", address.dsn)]
    return unsafe withCStrings(pairs.map(\.0)) { keywords in
        unsafe withCStrings(pairs.map(\.1)) { values in unsafe PQconnectStartParams(keywords, values, 1) }
    }
}

/// Puts a statement and its parameters into libpq's buffer. False: the connection is broken.
func send(_ sql: String, _ parameters: [PostgresValue], over connection: OpaquePointer) -> Bool {
    let wires = parameters.map(\.wire)
    let lengths = wires.map { Int32(clamping: $0?.bytes.count ?? 0) }
    let formats = wires.map { $0?.isBinary == true ? Int32(1) : 0 }
    return unsafe withCStrings(wires.map { $0?.bytes }) { values in
        unsafe PQsendQueryParams(connection, sql, Int32(wires.count), nil, values, lengths, formats, 0) == 1
    }
}
