import CLibPQ
import Foundation

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
    let keywords = unsafe CStrings(pairs.map { Data($0.0.utf8) })
    let values = unsafe CStrings(pairs.map { Data($0.1.utf8) })
    defer {
        unsafe keywords.free()
        unsafe values.free()
    }
    return unsafe PQconnectStartParams(keywords.pointers, values.pointers, 1)
}

/// Puts a statement and its parameters into libpq's buffer. False: the connection is broken.
func send(_ sql: String, _ parameters: [PostgresValue], over connection: OpaquePointer) -> Bool {
    let wires = parameters.map(\.wire)
    let values = unsafe CStrings(wires.map { $0?.bytes })
    defer { unsafe values.free() }
    let lengths = wires.map { Int32(clamping: $0?.bytes.count ?? 0) }
    let formats = wires.map { $0?.isBinary == true ? Int32(1) : 0 }
    return unsafe PQsendQueryParams(connection, sql, Int32(wires.count), nil, values.pointers, lengths, formats, 0) == 1
}

/// Copies of byte strings with a NUL behind each, and a NULL behind all.
@unsafe private struct CStrings {
    var pointers: [UnsafePointer<CChar>?]

    init(_ strings: [Data?]) {
        unsafe pointers = strings.map { string in
            guard let string else { return nil }
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.count + 1)
            unsafe UnsafeMutableRawBufferPointer(start: copy, count: string.count).copyBytes(from: string)
            unsafe copy[string.count] = 0
            return unsafe UnsafePointer(copy)
        }
        unsafe pointers.append(nil)
    }

    func free() { unsafe pointers.forEach { unsafe $0?.deallocate() } }
}
