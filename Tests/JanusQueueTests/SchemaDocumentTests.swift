import Foundation
import JanusJob
import JanusPostgres
import Testing
import TestSupport

/// Migrations/README.md and Migrations/schema.sql say what the migrations make.
@Suite("The schema's documents")
struct SchemaDocumentTests {
    /// Runs `Deploy/sql-reference` on a database.
    /// - Returns: its exit status, the folder that it wrote to, and what it said.
    private func makeDocuments(_ database: TestDatabase) async throws -> (
        status: Int32, folder: URL, process: DaemonProcess
    ) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-sql-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = try DaemonProcess(
            URL(filePath: TestPaths.root + "/Deploy/sql-reference"), [database.superuserDSN, folder.path],
            environment: [:])
        return (try await process.waitForExit(), folder, process)
    }

    @Test(
        "the SQL reference and the schema's dump are those of the migrations", arguments: ["README.md", "schema.sql"])
    func documents(name: String) async throws {
        let made = try await makeDocuments(try await TestPostgres.database())
        defer { try? FileManager.default.removeItem(at: made.folder) }
        try #require(made.status == 0, "\(made.process.log)")
        let committed = try lines(TestPaths.migrations + "/" + name)
        let current = try lines(made.folder.appending(path: name).path)
        let place = zip(committed, current).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        let shown = place.map { "line \($0 + 1) is '\(committed[$0])', not '\(current[$0])'" } ?? "one is longer"
        let isSame = committed == current  // as a variable: a failed expectation would print both
        #expect(isSame, "Migrations/\(name) is not what the migrations make: \(shown). Run Deploy/sql-reference")
    }

    @Test("a function, an argument, a view or a column without a text is named")
    func gaps() async throws {
        let database = try await TestPostgres.database()
        let connection = try await database.connect()
        try await connection.runScript(
            """
            CREATE FUNCTION janus.mute(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
            CREATE FUNCTION janus.terse(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT 1';
            COMMENT ON FUNCTION janus.terse IS E'Does it.\\n\\na: One, at most nosuch_max.\\nc: Three.';
            CREATE VIEW janus.bare AS SELECT 1 AS one;
            """)
        let made = try await makeDocuments(database)
        defer { try? FileManager.default.removeItem(at: made.folder) }
        #expect(made.status == 1)
        let gaps = [
            "function janus.mute has no text", "argument a of janus.mute has no text",
            "argument b of janus.terse has no text", "janus.terse has a text on c, which is no argument of it",
            "function janus.terse does not say what it returns",
            "janus.terse tells of a setting nosuch_max, which is not there", "view janus.bare has no text",
            "column one of janus.bare has no text",
        ]
        try await waitUntil("every gap is named") { gaps.allSatisfy(made.process.log.contains) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: made.folder.path).isEmpty)
    }

    @Test("the reference has every error code, and says of each whether it is tried again")
    func errorCodes() throws {
        let reference = try lines(TestPaths.migrations + "/README.md")
        for code in JobErrorCode.allCases {
            let row = "| `\(code.rawValue)` | \(code.isRetryable ? "yes" : "no") | "
            #expect(reference.contains { $0.hasPrefix(row) }, "\(row)")
        }
    }

    private func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    }
}
