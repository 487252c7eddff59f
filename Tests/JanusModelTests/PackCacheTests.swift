import Foundation
import JanusJob
import JanusModel
import JanusTensor
import TestSupport
import Testing

@Suite("packs in a cache")
struct PackCacheTests {
    private let cache: TemporaryDirectory
    private let model: TemporaryDirectory

    init() throws {
        cache = try TemporaryDirectory()
        model = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: TinyReference.model) {
            try FileManager.default.copyItem(
                atPath: TinyReference.model + "/" + name, toPath: model.path + "/" + name)
        }
    }

    /// The pack and what was reported, progress only as its file.
    private func pack(_ precision: PackedPrecision = .int8) throws -> (file: String, events: [PackCache.Event]) {
        var events: [PackCache.Event] = []
        let file = try PackCache(directory: cache.path + "/packs").pack(
            of: model.path, name: "a model/of mine", precision: precision
        ) { event in
            if case .packing(_, let fraction) = event, fraction < 1 { return }
            events.append(event)
        }
        return (file, events)
    }

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: cache.path + "/packs")
            .filter { $0 != PackCache.lockName }
    }

    @Test("made once, found again, loaded, and nothing else left")
    func madeOnce() throws {
        let first = try pack()
        #expect(first.events == [.packing(file: first.file, fraction: 1)])
        let second = try pack()
        #expect(second.file == first.file && second.events.isEmpty)
        #expect(try files() == [URL(filePath: first.file).lastPathComponent])
        #expect(URL(filePath: first.file).lastPathComponent.hasPrefix("a_model_of_mine-"))
        #expect(try JanusModel.load(directory: first.file).precision == .int8)
        #expect(try pack(.int4).file != first.file)
        #expect(try files().count == 2, "another precision takes nothing away")
    }

    @Test("a checkpoint that is replaced is packed again, and its earlier pack goes")
    func replaced() throws {
        let first = try pack().file
        let weights = model.path + "/model.safetensors"
        let data = try Data(contentsOf: URL(filePath: weights))
        try FileManager.default.removeItem(atPath: weights)
        try data.write(to: URL(filePath: weights))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)], ofItemAtPath: weights)
        let second = try pack()
        #expect(second.file != first)
        #expect(second.events == [.packing(file: second.file, fraction: 1), .removed(file: first)])
        #expect(try files() == [URL(filePath: second.file).lastPathComponent])
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var says: String
        var change: @Sendable (Data) -> Data
    }

    private static func replacing(_ from: String, _ to: String) -> @Sendable (Data) -> Data {
        { data in
            var copy = data
            if let range = copy.range(of: Data(from.utf8)) { copy.replaceSubrange(range, with: Data(to.utf8)) }
            return copy
        }
    }

    static let damages = [
        Damage(testDescription: "truncated", says: "cut short") { $0.prefix($0.count / 2) },
        Damage(testDescription: "empty", says: "it is empty") { _ in Data() },
        Damage(
            testDescription: "another version", says: "format version 7",
            change: replacing(#""format_version":"4""#, #""format_version":"7""#)),
        Damage(
            testDescription: "another precision", says: "it is bf16, not int8",
            change: replacing(#""precision":"int8""#, #""precision":"bf16""#)),
        Damage(testDescription: "another source", says: "its source is") { data in
            var copy = data
            let end = copy.range(of: Data(#""source":""#.utf8))?.upperBound ?? copy.startIndex
            copy[end] = copy[end] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            return copy
        },
        Damage(
            testDescription: "another architecture", says: "its architecture is another",
            change: replacing(#"\"mlpWidth\":160"#, #"\"mlpWidth\":192"#)),
        Damage(
            testDescription: "an architecture that cannot be", says: "mlpWidth is 0",
            change: replacing(#"\"mlpWidth\":160"#, #"\"mlpWidth\":  0"#)),
    ]

    @Test("what lies there and cannot be used is said and made again", arguments: damages)
    func damaged(_ damage: Damage) throws {
        let file = try pack().file
        let whole = try Data(contentsOf: URL(filePath: file))
        let broken = damage.change(whole)
        #expect(broken != whole)
        try broken.write(to: URL(filePath: file))
        let again = try pack()
        #expect(again.file == file && again.events.count == 2)
        guard case .unusable(let error)? = again.events.first else {
            Issue.record("\(again.events)")
            return
        }
        #expect(error.description.contains(damage.says) && error.description.contains(file), "\(error)")
        #expect(try Data(contentsOf: URL(filePath: file)) == whole)
    }

    @Test("what a dead packer left is removed, what a living one writes is not")
    func leftovers() throws {
        let file = try pack().file
        try FileManager.default.removeItem(atPath: file)
        let (dead, living) = (file + ".1.partial", file + ".2.partial")
        let older = cache.path + "/packs/a_model_of_mine-0123456789abcdef.int8.pack.safetensors.3.partial"
        for path in [dead, living, older] { try Data("half".utf8).write(to: URL(filePath: path)) }
        let lock = try FileLock(path: living) {}
        _ = try pack()
        withExtendedLifetime(lock) {}
        #expect(Set(try files()) == Set([file, living].map { URL(filePath: $0).lastPathComponent }))
    }

    @Test("a directory that cannot be made is named")
    func noDirectory() throws {
        do throws(ModelError) {
            _ = try PackCache(directory: "/dev/null/packs").pack(of: model.path, name: "m", precision: .int8)
            Issue.record("it packed into /dev/null")
        } catch {
            #expect(error.description.contains("/dev/null/packs"), "\(error)")
            #expect(error.description.contains("cache.directory"), "\(error)")
        }
    }

    @Test("a check reads the content and compares the source")
    func check() throws {
        let file = try pack().file
        try PackCheck.check(file, source: model.path)
        try PackCheck.check(file)
        var data = try Data(contentsOf: URL(filePath: file))
        data[data.count / 2] ^= 1
        let broken = try cache.write("broken.pack.safetensors", data)
        _ = try JanusModel.load(directory: broken)  // loading does not read it
        do throws(ModelError) {
            try PackCheck.check(broken)
            Issue.record("a damaged pack passed")
        } catch { #expect(error.description.contains("damaged") && error.description.contains(broken), "\(error)") }
        let config = model.path + "/config.json"
        var text = try String(contentsOfFile: config, encoding: .utf8)
        text += "\n"
        try text.write(toFile: config, atomically: true, encoding: .utf8)
        do throws(ModelError) {
            try PackCheck.check(file, source: model.path)
            Issue.record("another source passed")
        } catch { #expect(error.description.contains("made from a checkpoint"), "\(error)") }
        do throws(ModelError) {
            try PackCheck.check(model.path)
            Issue.record("a checkpoint passed as a pack")
        } catch { #expect(error.description.contains("no pack"), "\(error)") }
    }
}
