import JanusJob
import JanusWire
import Testing

@Suite struct WorkerSettingsTests {
    static let plain = WorkerSettings(
        model: "/models/tiny", modelName: "tiny", packing: nil, cacheFormat: nil, cacheMebibytes: 512, jobs: 8,
        threads: 2)

    @Test("a worker is told all that it needs, each option one word")
    func plain() {
        #expect(
            Self.plain.arguments(socket: 3) == [
                "--socket=3", "--model=/models/tiny", "--model-name=tiny", "--threads=2", "--jobs=8",
                "--cache-mib=512",
            ])
    }

    @Test("a packing names its precision and its directory, a format of keys and values itself")
    func packed() {
        var settings = Self.plain
        settings.packing = WorkerSettings.Packing(.int8, directory: "/cache")
        settings.cacheFormat = .bf16
        let more = settings.arguments(socket: 3).dropFirst(Self.plain.arguments(socket: 3).count)
        #expect(Array(more) == ["--cache-format=bf16", "--precision=int8", "--packs=/cache"])
    }

    @Test("every precision is found by its name, and no other")
    func names() {
        #expect(Precision.allCases.map(\.rawValue) == ["f32", "bf16", "int8", "int4"])
        for precision in Precision.allCases { #expect(Precision(rawValue: precision.rawValue) == precision) }
        #expect(Precision(rawValue: "int9") == nil && Precision(rawValue: "") == nil)
    }
}
