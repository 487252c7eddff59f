/// Byte-pair encoding: of all neighbours that have a merge, the one of the lowest rank is merged first, the leftmost of
/// equals first, until none is left. A heap keeps it at O(n log n).
struct BytePairMerger {
    struct Merge {
        var rank: Int32
        var merged: Int32
    }

    private var merges: [UInt64: Merge] = [:]
    /// The token of each byte.
    private let byteTokens: [Int32]

    init(byteTokens: [Int32], mergesCapacity: Int) {
        self.byteTokens = byteTokens
        merges.reserveCapacity(mergesCapacity)
    }

    /// The first of two equal pairs counts.
    mutating func add(_ left: Int32, _ right: Int32, _ merge: Merge) {
        let key = Self.key(left, right)
        if merges[key] == nil { merges[key] = merge }
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Appends the tokens of one piece.
    func encode(_ bytes: [UInt8], into output: inout [Int32]) {
        var tokens = bytes.map { byteTokens[Int($0)] }
        guard tokens.count > 1 else {
            output += tokens
            return
        }
        let count = tokens.count
        var next = (1...count).map { $0 }
        var previous = (-1..<(count - 1)).map { $0 }
        var heap = MergeHeap()
        func propose(_ left: Int, _ right: Int) {
            if let merge = merges[Self.key(tokens[left], tokens[right])] {
                heap.insert(MergeHeap.Entry(rank: merge.rank, position: Int32(left), merged: merge.merged))
            }
        }
        for left in 0..<(count - 1) { propose(left, left + 1) }
        while let entry = heap.popFirst() {
            let left = Int(entry.position)
            let right = next[left]
            // Entries whose tokens have been merged away meanwhile are stale.
            guard tokens[left] >= 0, right < count,
                let merge = merges[Self.key(tokens[left], tokens[right])], merge.rank == entry.rank
            else { continue }
            tokens[left] = merge.merged
            tokens[right] = -1
            next[left] = next[right]
            if next[right] < count { previous[next[right]] = left }
            if previous[left] >= 0 { propose(previous[left], left) }
            if next[left] < count { propose(left, next[left]) }
        }
        for token in tokens where token >= 0 { output.append(token) }
    }
}

/// A binary heap of proposed merges, the next one first.
private struct MergeHeap {
    struct Entry {
        var rank: Int32
        var position: Int32
        var merged: Int32

        static func < (left: Entry, right: Entry) -> Bool {
            left.rank != right.rank ? left.rank < right.rank : left.position < right.position
        }
    }

    private var entries: [Entry] = []

    mutating func insert(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0, entries[child] < entries[(child - 1) / 2] {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in (2 * parent + 1)...(2 * parent + 2) where child < entries.count {
                if entries[child] < entries[least] { least = child }
            }
            guard least != parent else { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
