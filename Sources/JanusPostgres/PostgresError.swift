/// Everything that can go wrong between us and PostgreSQL.
package enum PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The connection string cannot be read. Its text is not repeated: it may hold a password.
    case invalidDSN
    /// No connection came about.
    case cannotConnect(target: String, reason: String)
    /// An established connection broke; whether the statement took effect is unknown.
    case connectionLost(target: String, reason: String)
    /// The server refused a statement.
    case server(ServerError)
    /// A statement took longer than its deadline; the connection was closed.
    case deadlinePassed(seconds: Double)
    /// The Swift task was cancelled; a statement under way was cancelled and its connection closed.
    case canceled
    /// A result that does not have the shape its reader expects: a mistake of ours, or another schema version.
    case unexpectedResult(String)

    package var description: String {
        switch self {
        case .invalidDSN:
            "the PostgreSQL connection string cannot be parsed; write postgresql://user@host/database, "
                + "or host=… dbname=… user=…"
        case .cannotConnect(let target, let reason):
            "cannot connect to PostgreSQL (\(target)): \(reason); check that the server runs and accepts this address, "
                + "database and user"
        case .connectionLost(let target, let reason): "lost the connection to PostgreSQL (\(target)): \(reason)"
        case .server(let error): error.description
        case .deadlinePassed(let seconds): "PostgreSQL did not answer within \(seconds) s; the connection was closed"
        case .canceled: "canceled while talking to PostgreSQL"
        case .unexpectedResult(let reason): "PostgreSQL answered with something unexpected: \(reason)"
        }
    }

    /// The server's five-character code, if the server refused.
    package var sqlState: String? {
        if case .server(let error) = self { error.sqlState } else { nil }
    }
}

/// An error as the server reported it.
package struct ServerError: Sendable, Equatable, CustomStringConvertible {
    package var sqlState: String
    package var message: String
    package var detail: String?
    package var hint: String?

    package init(sqlState: String, message: String, detail: String? = nil, hint: String? = nil) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    package var description: String {
        var text = "\(message) (SQLSTATE \(sqlState))"
        if let detail { text += "; \(detail)" }
        if let hint { text += "; hint: \(hint)" }
        return text
    }
}
