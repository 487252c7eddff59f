import Foundation

/// One numbered step of the schema, as it lies in the directory.
struct MigrationFile: Sendable {
    var version: Int
    var name: String
    var up: String
    var down: String
}

extension MigrationFile {
    /// Reads `NNN_name.up.sql` and `.down.sql`, numbered from 1 without gaps. Other files are ignored.
    static func read(directory: String) throws(QueueError) -> [MigrationFile] {
        let entries: [String]
        do {
            entries = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        } catch {
            throw .migration("the migrations' directory \(directory) cannot be read: \(error.localizedDescription)")
        }
        var files: [MigrationFile] = []
        for entry in entries where entry.hasSuffix(".up.sql") {
            let stem = String(entry.dropLast(".up.sql".count))
            let parts = stem.split(separator: "_", maxSplits: 1)
            guard parts.count == 2, parts[0].count == 3, let version = Int(parts[0]) else {
                throw .migration("migration \(entry) in \(directory) is not called NNN_name.up.sql")
            }
            guard version == files.count + 1 else {
                throw .migration(
                    "migration \(entry) in \(directory) has number \(version) where \(files.count + 1) is expected: they are "
                        + "numbered from 1 without gaps")
            }
            files.append(
                MigrationFile(
                    version: version, name: String(parts[1]), up: try text("\(directory)/\(entry)"),
                    down: try text("\(directory)/\(stem).down.sql")))
        }
        guard !files.isEmpty else { throw .migration("there are no migrations (NNN_name.up.sql) in \(directory)") }
        return files
    }

    private static func text(_ path: String) throws(QueueError) -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .migration("migration \(path) cannot be read: \(error.localizedDescription)")
        }
    }
}
