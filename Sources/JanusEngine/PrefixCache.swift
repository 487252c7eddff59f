import Crypto
import Foundation
import JanusModel
import JanusTensor

/// What a beginning of a prompt is made of; equal keys have equal keys and values in the cache.
struct PrefixKey: Hashable {
    var tokens: [Int32]
    /// SHA-256 of each picture's file, in order.
    var pictures: [Data] = []

    static func digest(_ picture: Data) -> Data { Data(SHA256.hash(data: picture)) }
}

/// A beginning that sequences share: it is computed once in a row of its own, and theirs begin with it.
final class Prefix {
    let key: PrefixKey
    let fill: PromptFill
    /// Jobs that will still copy it.
    fileprivate(set) var users = 0
    fileprivate var lastUse = 0

    fileprivate init(_ key: PrefixKey, _ fill: PromptFill) {
        self.key = key
        self.fill = fill
    }

    var row: Int { fill.row }
    /// [1, hidden], of its last position, once it is in the cache.
    var last: Matrix? { fill.last }
}

/// The prefixes in the cache: the unconditional ones (which depend on their length only), those of images' prompts, and those of
/// (system prompt, picture) in questions. What nobody uses stays for the next job, until a job needs the room.
final class PrefixCache {
    /// Prefixes without a user, and their share of the cache, at most.
    private static let unusedMax = 64
    private static let unusedShare = 0.5

    private let cache: KVCache
    private var entries: [PrefixKey: Prefix] = [:]
    private(set) var found = 0
    private(set) var computed = 0

    init(_ cache: KVCache) { self.cache = cache }

    func contains(_ key: PrefixKey) -> Bool { entries[key] != nil }

    /// Makes sure that so many bytes are free, by giving up prefixes that nobody uses, the longest unused first.
    /// - Parameter kept: keys that are about to be used.
    /// - Returns: false, and nothing is given up, when that would not be enough.
    func makeRoom(bytes: Int, keeping kept: [PrefixKey] = []) -> Bool {
        // A job that waits asks in every step.
        func isSpare(_ prefix: Prefix) -> Bool { prefix.users == 0 && !kept.contains(prefix.key) }
        var bytesSpare = 0
        for prefix in entries.values where isSpare(prefix) { bytesSpare += cache.bytesAlone(prefix.row) }
        guard cache.bytesFree + bytesSpare >= bytes else { return false }
        for prefix in unused where isSpare(prefix) && cache.bytesFree < bytes { remove(prefix) }
        return true
    }

    /// Uses a prefix, or begins it: then `begin` gets its row. Room must have been made.
    func use(_ key: PrefixKey, begin: (_ row: Int) -> PromptFill) -> Prefix {
        let prefix: Prefix
        if let entry = entries[key] {
            prefix = entry
            found += 1
        } else {
            guard let row = cache.open(positions: key.tokens.count) else { preconditionFailure("no room was made") }
            prefix = Prefix(key, begin(row))
            entries[key] = prefix
            computed += 1
        }
        prefix.users += 1
        prefix.lastUse = found + computed
        return prefix
    }

    /// A job needs it no more. What is not whole by then is given up with its last user.
    func release(_ prefix: Prefix) {
        prefix.users -= 1
        guard prefix.users == 0 else { return }
        guard prefix.last != nil else { return remove(prefix) }
        var unused = unused[...]
        var bytes = unused.reduce(0) { $0 + self.bytes($1) }
        while let oldest = unused.first,
            unused.count > Self.unusedMax || Double(bytes) > Self.unusedShare * Double(cache.bytesMax)
        {
            bytes -= self.bytes(oldest)
            unused = unused.dropFirst()
            remove(oldest)
        }
    }

    func dropUnused() {
        for prefix in unused { remove(prefix) }
    }

    /// The longest unused first.
    private var unused: [Prefix] { entries.values.filter { $0.users == 0 }.sorted { $0.lastUse < $1.lastUse } }

    private func bytes(_ prefix: Prefix) -> Int { cache.bytes(positions: prefix.key.tokens.count) }

    private func remove(_ prefix: Prefix) {
        prefix.fill.isAbandoned = true
        entries[prefix.key] = nil
        cache.close(prefix.row)
    }
}
