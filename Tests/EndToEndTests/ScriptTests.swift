import Foundation
import TestSupport
import Testing

/// The scripts of Deploy, as people try them.
@Suite struct ScriptTests {
    private static let scripts = [
        "bench", "demo", "install", "install-packages", "measure-queue", "mutants", "python", "score", "siege",
        "sql-reference", "test", "test-neon", "test-systemd",
    ]

    @Test("these are all scripts")
    func all() throws {
        let folder = URL(filePath: TestPaths.root + "/Deploy")
        let found = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil).filter {
            !$0.hasDirectoryPath && FileManager.default.isExecutableFile(atPath: $0.path)
        }.map(\.lastPathComponent)
        #expect(found.sorted() == Self.scripts)
    }

    @Test("--help prints the script's head and does nothing else", arguments: scripts)
    func help(script: String) throws {
        let text = try String(contentsOfFile: TestPaths.root + "/Deploy/" + script, encoding: .utf8)
        let head = try #require(text.split(separator: "\n").dropFirst().first)
            .trimmingPrefix(/# |"""/)
        let folder = try TemporaryDirectory()
        let result = try run(script, "--help", folder)
        #expect(result.status == 0 && result.errors.isEmpty, "\(result)")
        #expect(result.output.contains(head) && !result.output.contains("set -euo"), "\(result)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    // Deploy/python's arguments are Python's
    @Test(
        "an argument that there is not is refused before anything is done", arguments: scripts.filter { $0 != "python" }
    )
    func unknown(script: String) throws {
        let folder = try TemporaryDirectory()
        let result = try run(script, "--no-such-argument", folder)
        // of Deploy/mutants, Python's argparse refuses it
        #expect(result.status == (script == "mutants" ? 2 : 64) && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("--no-such-argument"), "\(result)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    /// Where all that it might write goes to `folder`; no Swift is on the PATH.
    private func run(_ script: String, _ argument: String, _ folder: TemporaryDirectory) throws -> TestProcess.Result {
        let places = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "DESTDIR"]
        var environment = Dictionary(uniqueKeysWithValues: places.map { ($0, folder.path) })
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return try TestProcess.run(
            URL(filePath: TestPaths.root + "/Deploy/" + script), [argument], environment: environment, within: 60)
    }
}
