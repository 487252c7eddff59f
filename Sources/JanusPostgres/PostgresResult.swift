package import Foundation

/// What a statement gave back.
package struct PostgresResult: Sendable {
    package var rows: [PostgresRow]
    /// Rows inserted, updated, deleted or selected.
    package var affectedCount: Int

    /// The only row.
    package var row: PostgresRow {
        get throws(PostgresError) {
            guard rows.count == 1 else { throw .unexpectedResult("\(rows.count) rows where one was expected") }
            return rows[0]
        }
    }
}

/// One row; columns are read by name and type. Arrays and times are read as JSON and epoch seconds: the statement
/// selects `to_json(x)` and `extract(epoch FROM x)`.
package struct PostgresRow: Sendable {
    enum Cell: Sendable {
        case null
        case text(String)
        case bytes(Data)
    }

    /// Shared by all rows of a result.
    let columns: [String: Int]
    let cells: [Cell]

    private func cell(_ column: String) throws(PostgresError) -> Cell {
        guard let index = columns[column] else { throw .unexpectedResult("there is no column \(column)") }
        return cells[index]
    }

    private func read<Value>(_ column: String, as type: String, _ parse: (String) -> Value?)
        throws(PostgresError) -> Value?
    {
        switch try cell(column) {
        case .null: return nil
        case .bytes: throw .unexpectedResult("column \(column) is bytea, not \(type)")
        case .text(let text):
            guard let value = parse(text) else { throw .unexpectedResult("column \(column) is not \(type)") }
            return value
        }
    }

    private func required<Value>(_ column: String, _ value: Value?) throws(PostgresError) -> Value {
        guard let value else { throw .unexpectedResult("column \(column) is NULL") }
        return value
    }

    package func textIfAny(_ column: String) throws(PostgresError) -> String? { try read(column, as: "text") { $0 } }
    package func text(_ column: String) throws(PostgresError) -> String { try required(column, textIfAny(column)) }

    package func intIfAny(_ column: String) throws(PostgresError) -> Int64? {
        try read(column, as: "an integer") { Int64($0) }
    }
    package func int64(_ column: String) throws(PostgresError) -> Int64 { try required(column, intIfAny(column)) }
    package func int(_ column: String) throws(PostgresError) -> Int {
        try required(column, read(column, as: "an integer") { Int($0) })
    }

    package func doubleIfAny(_ column: String) throws(PostgresError) -> Double? {
        try read(column, as: "a number") { Double($0) }
    }
    package func double(_ column: String) throws(PostgresError) -> Double { try required(column, doubleIfAny(column)) }

    package func bool(_ column: String) throws(PostgresError) -> Bool {
        try required(column, read(column, as: "a boolean") { $0 == "t" ? true : $0 == "f" ? false : nil })
    }

    package func uuid(_ column: String) throws(PostgresError) -> UUID {
        try required(column, read(column, as: "a UUID") { UUID(uuidString: $0) })
    }

    /// From seconds since 1970.
    package func dateIfAny(_ column: String) throws(PostgresError) -> Date? {
        try doubleIfAny(column).map { Date(timeIntervalSince1970: $0) }
    }
    package func date(_ column: String) throws(PostgresError) -> Date { try required(column, dateIfAny(column)) }

    package func bytesIfAny(_ column: String) throws(PostgresError) -> Data? {
        switch try cell(column) {
        case .null: nil
        case .text: throw .unexpectedResult("column \(column) is not bytea")
        case .bytes(let data): data
        }
    }
    package func bytes(_ column: String) throws(PostgresError) -> Data { try required(column, bytesIfAny(column)) }

    package func json<Value: Decodable>(_ column: String, as type: Value.Type) throws(PostgresError) -> Value {
        let text = try text(column)
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw .unexpectedResult("column \(column) is not the JSON of a \(type): \(error)")
        }
    }
}
