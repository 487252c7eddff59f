import Foundation
import JanusTensor
import Testing

extension InstructionSet {
    /// Those of this processor beside the scalar one, with which each is compared.
    static let twins = allCases.filter { $0 != .scalar && $0.isSupported }
    /// All of this processor.
    static let supported = [InstructionSet.scalar] + twins
    /// Why comparisons are skipped where there is nothing to compare. `Deploy/test` tells such reasons from others.
    static let noTwins: Comment = "this processor has only the scalar kernels"
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

    @Test("what the processor has is found, and with that compared with the scalar twin")
    func found() throws {
        let lines = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("flags") || $0.hasPrefix("Features") })
        let words = Set(line.split { $0.isWhitespace }.map(String.init))
        #expect(Self.extensions.map(\.isa) == InstructionSet.allCases)
        for (isa, needed) in Self.extensions {
            #expect(isa.isSupported == words.isSuperset(of: needed), "\(isa.name)")
        }
        #expect(InstructionSet.best == InstructionSet.supported.last)
        func names(_ sets: [InstructionSet]) -> String { sets.map(\.name).joined(separator: " ") }
        // Deploy/test reads this line
        print(
            "instruction sets compared with the scalar twin: \(names(InstructionSet.twins)); not on this processor: "
                + names(InstructionSet.allCases.filter { !$0.isSupported }))
    }
}
