package import JanusPostgres

/// Everything that can go wrong in the queue.
package enum QueueError: Error, Sendable, Equatable, CustomStringConvertible {
    /// PostgreSQL refused, answered nonsense, or could not be reached.
    case database(PostgresError)
    /// The database's schema is not one that this program serves; nil: there is none.
    case schema(found: Int?, supported: ClosedRange<Int>)
    /// Migrations cannot be read or applied.
    case migration(String)

    package var description: String {
        switch self {
        case .database(let error): error.description
        case .schema(nil, _):
            "the database has no janus schema yet; run Deploy/bootstrap.sql as an administrator and then janusd migrate up"
        case .schema(let found?, let supported):
            "the database's janus schema has version \(found), and this janusd serves \(supported.lowerBound) to "
                + "\(supported.upperBound); "
                + (found < supported.lowerBound ? "run janusd migrate up" : "install a newer janusd")
        case .migration(let reason): reason
        }
    }
}

/// Which schemas this program serves: its own, N, and N − 1 once there is one that shares these tables, so that
/// hosts can be upgraded one by one around a migration.
package enum SchemaVersion {
    package static let current = 7
    package static let supported = current...current
}
