package import JanusPostgres

/// Everything that can go wrong in the queue.
package enum QueueError: Error, Sendable, Equatable, CustomStringConvertible {
    /// PostgreSQL refused, answered nonsense, or could not be reached.
    case database(PostgresError)
    /// The database's schema is not one that this program serves; nil: there is none.
    case schema(found: Int?)
    /// The database was made elsewhere, and nobody said that this daemon shall serve it.
    case notAdopted
    /// Migrations cannot be read or applied.
    case migration(String)

    package var description: String {
        switch self {
        case .database(let error): error.description
        case .schema(nil):
            "the database has no janus schema yet; run Deploy/bootstrap.sql as an administrator and then janusd migrate up"
        case .schema(let found?):
            "the database's janus schema has version \(found), and this janusd serves \(SchemaVersion.current); "
                + (found < SchemaVersion.current ? "run janusd migrate up" : "install a newer janusd")
        case .notAdopted:
            "the database is a copy: it was migrated on another cluster, or under another name; nothing in it is claimed or "
                + "called before janusd adopt says that it is the one to be served"
        case .migration(let reason): reason
        }
    }
}

/// The one schema that this program serves.
package enum SchemaVersion {
    package static let current = 8
}
