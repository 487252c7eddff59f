import CLibPQ

/// Where to connect to. Prints without the password.
package struct PostgresAddress: Sendable, Hashable, CustomStringConvertible {
    /// As given: a URI or keyword=value pairs. May hold a password.
    let dsn: String
    package let description: String

    /// - Throws: `.invalidDSN` if libpq cannot parse it.
    package init(dsn: String) throws(PostgresError) {
        guard let options = unsafe PQconninfoParse(dsn, nil) else { throw .invalidDSN }
        defer { unsafe PQconninfoFree(options) }
        var shown: [String] = []
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                let keyword = unsafe String(cString: keyword)
                if Self.shownKeywords.contains(keyword) { unsafe shown.append("\(keyword)=\(String(cString: value))") }
            }
            unsafe option += 1
        }
        self.dsn = dsn
        self.description = shown.isEmpty ? "libpq's defaults" : shown.joined(separator: " ")
    }

    private static let shownKeywords: Set<String> = ["host", "hostaddr", "port", "dbname", "user", "service"]
}

/// How a connection behaves; what the DSN says itself goes first.
package struct PostgresOptions: Sendable {
    /// Shown in pg_stat_activity.
    package var applicationName: String
    let connectSeconds = 10.0
    /// Deadline of every statement.
    package var statementSeconds: Double

    package init(applicationName: String = "janusd", statementSeconds: Double = 30) {
        self.applicationName = applicationName
        self.statementSeconds = statementSeconds
    }

    /// Keywords for libpq. A dead peer is noticed in about half a minute, also when nothing is asked.
    var keywords: [(String, String)] {
        [
            ("application_name", applicationName), ("client_encoding", "UTF8"), ("target_session_attrs", "read-write"),
            ("keepalives", "1"), ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
        ]
    }
}
