import Foundation
import JanusJob
import TestSupport
import Testing

@Suite("Troubleshooting by error code")
struct TroubleshootingTests {
    @Test("Deploy/README.md has an entry for every error code, and for nothing else")
    func entries() throws {
        let text = try String(contentsOfFile: TestPaths.root + "/Deploy/README.md", encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Troubleshooting by error code\n").last)
        let entries = section.components(separatedBy: "\n### ").dropFirst().map {
            $0.split(separator: "\n", maxSplits: 1).map(String.init)
        }
        #expect(entries.map { $0[0] }.sorted() == JobErrorCode.allCases.map(\.rawValue).sorted())
        for entry in entries {
            #expect(entry.count == 2 && entry[1].count > 20, "\(entry[0]) has no text")
        }
    }
}
