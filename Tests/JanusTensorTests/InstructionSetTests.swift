import Foundation
import JanusTensor
import Synchronization
import Testing

extension InstructionSet {
    /// Those of this processor beside the scalar one, with which each is compared.
    static let twins = allCases.filter { $0 != .scalar && $0.isSupported }
    /// All of this processor.
    static let supported = [InstructionSet.scalar] + twins
    /// Why comparisons are skipped where there is nothing to compare. `Deploy/test` tells such reasons from others.
    static let noTwins: Comment = "this processor has only the scalar kernels"

    /// Compares each of `sets`, and prints once for each test which they were. `Deploy/test` wants that line of every
    /// test of twins, with every set that `InstructionSetTests/found` names.
    static func compare(
        _ sets: [InstructionSet], file: String = #fileID, function: String = #function,
        _ comparison: (InstructionSet) throws -> Void
    ) rethrows {
        var compared: [InstructionSet] = []
        for isa in sets {
            try comparison(isa)
            compared.append(isa)
        }
        let suite = file.split(separator: "/").last?.split(separator: ".").first ?? ""
        let test = function.split(separator: "(").first ?? ""
        let line = "twins compared by \(suite)/\(test): \(names(compared.filter { $0 != .scalar }))"
        if said.withLock({ $0.insert(line).inserted }) { print(line) }
    }

    static func names(_ sets: [InstructionSet]) -> String { sets.map(\.name).joined(separator: " ") }

    private static let said = Mutex<Set<String>>([])
}

@Suite("instruction sets")
struct InstructionSetTests {
    /// What Linux calls the extensions that each needs.
    private static let extensions: [(isa: InstructionSet, words: [String])] = [
        (.scalar, []), (.avx2, ["avx2", "fma", "f16c"]),
        (.avx512VNNI, ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"]),
        (
            .avx512BF16,
            ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16"]
        ),
        (.neon, ["asimddp"]),
    ]

    @Test("what the processor has is found")
    func found() throws {
        let lines = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("flags") || $0.hasPrefix("Features") })
        let words = Set(line.split { $0.isWhitespace }.map(String.init))
        #expect(Self.extensions.map(\.isa) == InstructionSet.allCases)
        for (isa, needed) in Self.extensions {
            #expect(isa.isSupported == words.isSuperset(of: needed), "\(isa.name)")
        }
        #expect(InstructionSet.best == InstructionSet.supported.last)
        // Deploy/test reads this line
        print(
            "instruction sets beside the scalar one: \(InstructionSet.names(InstructionSet.twins)); not on this processor: "
                + InstructionSet.names(InstructionSet.allCases.filter { !$0.isSupported }))
    }
}
