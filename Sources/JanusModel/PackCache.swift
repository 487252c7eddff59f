import Crypto
import Foundation
package import JanusJob
import JanusSystem
import JanusTensor

/// A directory of packs that were made where a checkpoint was to run in a packed precision. Any number of processes may
/// ask for the same pack: one makes it, the others wait, and all map one file.
///
/// A pack is called `NAME-SOURCE.PRECISION.pack.safetensors`; SOURCE is a hash over the checkpoint's config.json, its weight
/// files' headers, and the size, inode and time of change of each of its files. So a checkpoint that is replaced is packed
/// again, and a start costs no reading of weights. What is found under that name is used only if its header, its size
/// and its source are right; otherwise it is replaced. Its content is not read: `PackCheck` does that.
package struct PackCache: Sendable {
    /// What happens meanwhile, for a log.
    package enum Event: Equatable, Sendable {
        /// Another process packs.
        case waiting
        /// The fraction that is written, from 0 to 1.
        case packing(file: String, fraction: Double)
        /// A pack with the right name that cannot be used, and is made again.
        case unusable(ModelError)
        /// A pack of what the checkpoint was before.
        case removed(file: String)
    }

    package static let lockName = "packing.lock"
    private static let sourceDigits = 16
    private static let directoryMode: mode_t = 0o755

    package let directory: String

    package init(directory: String) { self.directory = directory }

    /// - Parameters:
    ///   - checkpoint: its directory.
    ///   - name: what the checkpoint is called here; packs of earlier states of the same name are removed.
    /// - Returns: the pack's path.
    /// - Throws: `ModelError` for a checkpoint that is none, and for a directory that cannot be written or is full; then
    ///   nothing is left.
    package func pack(
        of checkpoint: String, name: String, precision: PackedPrecision, report: @escaping (Event) -> Void = { _ in }
    ) throws(ModelError) -> String {
        let source = try CheckpointDirectory(checkpoint)
        let start = Self.fileName(name) + "-"
        let end = ".\(precision.rawValue)\(PackFile.suffix)"
        let file = "\(directory)/\(start)\(try Self.sourceHash(source))\(end)"
        // a directory that is read-only serves what it holds
        if isUsable(file, source, precision, report: { _ in }) { return file }
        try makeDirectory()
        let lock = try lock { report(.waiting) }
        // held to the end of this function
        defer { withExtendedLifetime(lock) {} }
        if isUsable(file, source, precision, report: report) { return file }
        // also of what the checkpoint was before
        SafetensorsOutput.removeLeftovers(in: directory, start: start)
        var last = -1.0
        do throws(ModelError) {
            try Packer.pack(directory: checkpoint, precision: precision, output: file) { fraction in
                guard fraction > last else { return }
                last = fraction
                report(.packing(file: file, fraction: fraction))
            }
        } catch {
            guard case .weights(let reason) = error, case .unwritable = reason else { throw error }
            throw refusal(reason)
        }
        removeEarlier(start: start, end: end, besides: file, report: report)
        return file
    }

    private func lock(waiting: () -> Void) throws(ModelError) -> FileLock {
        do throws(TensorError) {
            return try FileLock(path: "\(directory)/\(Self.lockName)", waiting: waiting)
        } catch { throw refusal(error) }
    }

    private func refusal(_ error: TensorError) -> ModelError {
        .packCache(directory: directory, reason: error.description)
    }

    private func isUsable(
        _ file: String, _ source: CheckpointDirectory, _ precision: PackedPrecision, report: (Event) -> Void
    ) -> Bool {
        guard FileManager.default.fileExists(atPath: file) else { return false }
        do throws(ModelError) {
            let pack = try PackFile(path: file)
            guard pack.precision == precision else {
                throw .pack(file: file, reason: "it is \(pack.precision.rawValue), not \(precision.rawValue)")
            }
            guard pack.source == source.fingerprint else {
                throw .pack(
                    file: file,
                    reason: "its source is \(pack.source.prefix(Self.sourceDigits))…, the checkpoint is "
                        + "\(source.fingerprint.prefix(Self.sourceDigits))…")
            }
            var expected = source.configuration
            expected.keyValueFormat = pack.configuration.keyValueFormat  // a choice of packs, not of the architecture
            guard pack.configuration == expected else {
                throw .pack(file: file, reason: "its architecture is another than \(source.path)'s")
            }
            return true
        } catch {
            report(.unusable(error))
            return false
        }
    }

    private func makeDirectory() throws(ModelError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true,
                attributes: [.posixPermissions: Int(Self.directoryMode)])
        } catch {
            throw .packCache(directory: directory, reason: "it cannot be made (\(error.localizedDescription))")
        }
    }

    /// Processes that have one mapped keep it until they end.
    private func removeEarlier(start: String, end: String, besides file: String, report: (Event) -> Void) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in names where name.hasPrefix(start) && name.hasSuffix(end) {
            let middle = name.dropFirst(start.count).dropLast(end.count)
            let path = "\(directory)/\(name)"
            guard middle.count == Self.sourceDigits, middle.allSatisfy(\.isHexDigit), path != file else { continue }
            if unsafe unlink(path) == 0 { report(.removed(file: path)) }
        }
    }

    /// Names come from a configuration file and may hold anything.
    private static func fileName(_ name: String) -> String {
        let safe = name.map { character in
            character.isASCII && (character.isLetter || character.isNumber || "._-".contains(character))
                ? character : "_"
        }
        return safe.first == "." ? "_" + String(safe) : String(safe)
    }

    private static func sourceHash(_ source: CheckpointDirectory) throws(ModelError) -> String {
        let carried = PackFile.carriedFiles.map { source.path + "/" + $0 }
            .filter { FileManager.default.fileExists(atPath: $0) }
        var hash = SHA256()
        hash.update(data: Array(source.fingerprint.utf8))
        for file in carried + source.checkpoint.files {
            var status = stat()
            guard unsafe stat(file, &status) == 0 else {
                throw .weights(.unreadable(file: file, reason: String(errno: errno)))
            }
            let time = status.st_mtim
            hash.update(
                data: Array(
                    "\(file.split(separator: "/").last ?? ""):\(status.st_size):\(status.st_ino):\(time.tv_sec).\(time.tv_nsec)\n"
                        .utf8))
        }
        return String(hash.finalize().hexadecimal.prefix(sourceDigits))
    }
}
