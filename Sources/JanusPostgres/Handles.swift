import CLibPQ
import Foundation

/// A connection of libpq.
@safe struct ConnectionHandle: ~Copyable {
    let pointer: OpaquePointer

    deinit { unsafe PQfinish(pointer) }
}

/// A result of libpq.
@safe struct ResultHandle: ~Copyable {
    let pointer: OpaquePointer

    deinit { unsafe PQclear(pointer) }

    private static let byteaOID: Oid = 17

    func copyOut() -> PostgresResult {
        let columnCount = unsafe PQnfields(pointer)
        var columns: [String: Int] = [:]
        for column in 0..<columnCount {
            guard let name = unsafe PQfname(pointer, column) else { continue }
            unsafe columns[String(cString: name)] = Int(column)
        }
        let rows = unsafe (0..<PQntuples(pointer)).map { row in
            PostgresRow(columns: columns, cells: (0..<columnCount).map { cell(row, $0) })
        }
        let affected = unsafe String(cString: PQcmdTuples(pointer))
        return PostgresResult(rows: rows, affectedCount: Int(affected) ?? 0)
    }

    private func cell(_ row: Int32, _ column: Int32) -> PostgresRow.Cell {
        if unsafe PQgetisnull(pointer, row, column) == 1 { return .null }
        guard let value = unsafe PQgetvalue(pointer, row, column) else { return .null }
        let count = unsafe Int(PQgetlength(pointer, row, column))
        let bytes = unsafe UnsafeRawBufferPointer(start: value, count: count)
        if unsafe PQftype(pointer, column) == Self.byteaOID { return unsafe .bytes(Self.decodeHex(bytes.dropFirst(2))) }
        return unsafe .text(String(decoding: bytes, as: UTF8.self))
    }

    /// bytea comes as \x and two digits a byte.
    private static func decodeHex(_ digits: Slice<UnsafeRawBufferPointer>) -> Data {
        func nibble(_ digit: UInt8) -> UInt8 { digit <= 0x39 ? digit &- 0x30 : digit &- 0x57 }
        var data = unsafe Data(count: digits.count / 2)
        unsafe data.withUnsafeMutableBytes { target in
            let base = unsafe digits.startIndex
            for index in 0..<target.count {
                unsafe target[index] = nibble(digits[base + 2 * index]) << 4 | nibble(digits[base + 2 * index + 1])
            }
        }
        return data
    }

    /// The error of a failed statement, and whether it ended the session.
    func serverError() -> (error: ServerError, isFatal: Bool)? {
        func field(_ code: UnicodeScalar) -> String? {
            unsafe PQresultErrorField(pointer, Int32(code.value)).map { unsafe String(cString: $0) }
        }
        guard let sqlState = field("C") else { return nil }
        let severity = field("V") ?? "ERROR"
        return (
            ServerError(sqlState: sqlState, message: field("M") ?? "", detail: field("D"), hint: field("H")),
            severity == "FATAL" || severity == "PANIC"
        )
    }
}

/// Another thread's way to end our wait in poll().
final class PollInterrupt: Sendable {
    let descriptor: Int32

    init() { descriptor = janus_wake_open() }

    deinit { if descriptor >= 0 { janus_wake_close(descriptor) } }

    func signal() { janus_wake_signal(descriptor) }
    func drain() { janus_wake_drain(descriptor) }
}

/// Asks the server to stop what a connection is doing. On a thread of its own: libpq's call connects and blocks.
func cancelStatement(of connection: OpaquePointer) {
    guard let cancel = unsafe PQgetCancel(connection) else { return }
    @safe struct Handle: @unchecked Sendable {  // moves to the one thread that uses and frees it
        let pointer: OpaquePointer
    }
    let handle = unsafe Handle(pointer: cancel)
    Thread {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { reason in
            _ = unsafe PQcancel(handle.pointer, reason.baseAddress, 256)
        }
        unsafe PQfreeCancel(handle.pointer)
    }.start()
}
