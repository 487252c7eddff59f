import Crypto
import Foundation
import JanusJob
import JanusTensor

/// Reads a pack from end to end, which loading it does not.
package enum PackCheck {
    /// - Parameters:
    ///   - path: a pack, or a directory with one.
    ///   - source: a checkpoint that the pack is to be of; nil does not ask.
    ///   - progress: told the fraction that is read, from 0 to 1.
    /// - Throws: `ModelError.pack` when the content is not what the pack was made with, or of another checkpoint.
    package static func check(
        _ path: String, source: String? = nil, progress: (Double) -> Void = { _ in }
    ) throws(ModelError) {
        guard case .pack(let file) = try ModelLocation.find(path) else {
            throw .pack(file: path, reason: "it is no pack")
        }
        let pack = try PackFile(path: file)
        if let source {
            let fingerprint = try CheckpointDirectory(source).fingerprint
            guard fingerprint == pack.source else {
                throw .pack(
                    file: file,
                    reason: "it was made from a checkpoint with fingerprint \(pack.source), \(source) is \(fingerprint)"
                )
            }
        }
        let expected = pack.file.metadata["content_sha256"] ?? ""
        let found = try contentHash(pack, progress)
        guard found == expected else {
            throw .pack(
                file: file, reason: "it is damaged: its content's SHA-256 is \(found), it should be \(expected)")
        }
    }

    /// As `Packer` made it: over the tensors in the order of their names.
    private static func contentHash(_ pack: PackFile, _ progress: (Double) -> Void) throws(ModelError) -> String {
        var hash = SHA256()
        var done = 0
        for name in pack.file.names {
            var own = SHA256()
            do throws(TensorError) {
                try unsafe pack.file.withChunks(of: name) { chunk in
                    unsafe own.update(bufferPointer: chunk)
                    done += chunk.count
                    progress(Double(done) / Double(max(pack.file.bytes, 1)))
                }
            } catch { throw .weights(error) }
            hash.update(data: Array("\(name)\u{0}".utf8))
            hash.update(data: Array(own.finalize()))
        }
        progress(1)
        return hash.finalize().hexadecimal
    }
}
