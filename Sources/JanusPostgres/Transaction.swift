extension PostgresConnection {
    /// Runs `body` between BEGIN and COMMIT. Only one task may use the connection meanwhile.
    ///
    /// If COMMIT itself fails with a connection failure, nobody knows whether it took effect: the caller reads back.
    package nonisolated(nonsending) func withTransaction<Value>(
        _ body: () async throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        try await query("BEGIN")
        let value: Value
        do {
            value = try await body()
        } catch {
            // An error that is more telling than this one's is on its way up; a connection that cannot roll back is closed.
            do { try await query("ROLLBACK") } catch { await close() }
            throw error
        }
        try await query("COMMIT")
        return value
    }
}
