package import JanusPostgres
package import JanusQueue

extension PostgresError {
    /// Whether the connection, and not the statement, is to blame.
    package var isConnectionFailure: Bool {
        switch self {
        case .cannotConnect, .connectionLost, .deadlinePassed: true
        case .invalidDSN, .server, .canceled, .unexpectedResult: false
        }
    }
}

extension QueueError {
    package var isConnectionFailure: Bool {
        switch self {
        case .database(let error): error.isConnectionFailure
        case .schema, .notAdopted, .migration: false
        }
    }
}
