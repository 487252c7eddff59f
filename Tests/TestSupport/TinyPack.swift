import Foundation

/// The small random checkpoint, packed by the tool once for each process that tests.
package enum TinyPack {
    package static func path(_ precision: String) throws -> String {
        guard let pack = packs[precision] else { throw NotPacked(description: "no precision is called \(precision)") }
        return try pack.get()
    }

    private static let folder = FileManager.default.temporaryDirectory.appending(
        path: "janus-packs-\(UUID().uuidString)")

    private static let packs: [String: Result<String, any Error>] = {
        atexit { try? FileManager.default.removeItem(at: TinyPack.folder) }
        return Dictionary(
            uniqueKeysWithValues: ["int8", "int4", "bf16"].map { precision in
                (precision, Result { try pack(precision) })
            })
    }()

    private static func pack(_ precision: String) throws -> String {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appending(path: "tiny-\(precision).pack.safetensors").path
        let result = try TestProcess.run(
            Reference.executable("janus-model"),
            ["pack", Reference.file("Reference/tiny/hf"), "--precision", precision, "--quiet", "-o", path])
        guard result.status == 0 else {
            throw NotPacked(description: "janus-model pack ended with \(result.status): \(result.errors)")
        }
        return path
    }

    private struct NotPacked: Error, CustomStringConvertible { var description: String }
}
