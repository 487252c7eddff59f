import Foundation
import TestSupport
import Testing

/// The Markdown files of the repository.
@Suite struct DocumentTests {
    @Test("every relative link and anchor of every document leads somewhere")
    func links() throws {
        let documents = try Self.documents()
        #expect(documents.count >= 7)
        let (checked, broken) = try Self.check(documents)
        #expect(checked >= 30)
        #expect(broken.isEmpty)
    }

    @Test("those of the documents that Deploy/install puts beside the programs do, too")
    func installedLinks() async throws {
        let folder = try TemporaryDirectory()
        for program in ["janusd", "janus-worker", "janus-model"] {
            try FileManager.default.copyItem(atPath: "/bin/true", toPath: "\(folder.path)/\(program)")
        }
        let result = try TestProcess.run(
            URL(filePath: TestPaths.root + "/Deploy/install"), [],
            environment: ["PROGRAMS": folder.path, "DESTDIR": folder.path + "/root"], joinsErrors: true)
        try #require(result.status == 0, "\(result.output)")
        let documents = folder.path + "/root/usr/local/share/doc/janusd"
        let installed = try FileManager.default.subpathsOfDirectory(atPath: documents).filter { $0.hasSuffix(".md") }
        #expect(installed.count >= 5)
        let (checked, broken) = try Self.check(installed.map { documents + "/" + $0 })
        #expect(checked >= 15 && broken.isEmpty, "\(broken)")
    }

    /// - Returns: how many relative links the documents have, and those that lead nowhere.
    private static func check(_ documents: [String]) throws -> (checked: Int, broken: [String]) {
        var checked = 0
        var broken: [String] = []
        for document in documents {
            let folder = URL(filePath: document).deletingLastPathComponent()
            for target in try targets(of: document) where !target.contains("://") && !target.hasPrefix("mailto:") {
                checked += 1
                let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(
                    String.init)
                let file = parts[0].isEmpty ? document : folder.appending(path: parts[0]).standardizedFileURL.path
                guard FileManager.default.fileExists(atPath: file) else {
                    broken.append("\(document): \(target)")
                    continue
                }
                if parts.count == 2, try !anchors(of: file).contains(parts[1]) {
                    broken.append("\(document): \(target) (no such heading)")
                }
            }
        }
        return (checked, broken)
    }

    @Test("README's measurements have whole images and answers, of both precisions and of transformers")
    func measurements() throws {
        let text = try String(contentsOfFile: TestPaths.root + "/README.md", encoding: .utf8)
        let begin = try #require(text.range(of: "<!-- Deploy/bench.d/table.py --markdown: begin -->\n"))
        let end = try #require(text.range(of: "<!-- end -->", range: begin.upperBound..<text.endIndex))
        let rows = text[begin.upperBound..<end.lowerBound].split(separator: "\n").filter { $0.hasPrefix("| ") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        // a median with its least and most
        let figure = /^[0-9.]+ \([0-9.]+–[0-9.]+\)/
        for name in ["one image", "8 images at once", "answer of 64 about a picture", "16 answers of 64 at once"] {
            let row = try #require(rows.first { $0.first == name }, "there is no row \(name)")
            try #require(row.count == 9, "\(row)")
            #expect(row[1] == "whole", "\(row)")
            for column in [2, 5, 8] { #expect(row[column].firstMatch(of: figure) != nil, "\(row)") }
            for column in [4, 7] { #expect(row[column].firstMatch(of: /^[0-9.]+×/) != nil, "\(row)") }
        }
    }

    @Test("every threat of Sources/THREATS.md names the tests that hold what refuses it")
    func threats() throws {
        let rows = try String(contentsOfFile: TestPaths.root + "/Sources/THREATS.md", encoding: .utf8)
            .split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2)
        #expect(rows.count >= 15)
        for row in rows {
            let tests = row.matches(of: /`([A-Za-z]+Tests)\.([A-Za-z]+)\/([A-Za-z0-9]+)`/)
            #expect(!tests.isEmpty, "no test: \(row)")
            for test in tests {
                #expect(try Self.exists(test.output.1, test.output.2, test.output.3), "no test \(test.output.0)")
            }
        }
    }

    private static func exists(_ module: Substring, _ suite: Substring, _ function: Substring) throws -> Bool {
        try files(below: "Tests/\(module)", suffix: ".swift").contains { path in
            let text = try String(contentsOfFile: path, encoding: .utf8)
            return text.contains(try Regex("(struct|class|actor|extension) \(suite)\\b"))
                && text.contains("func \(function)(")
        }
    }

    @Test("links and anchors are read as Markdown has them")
    func targetsAndAnchors() throws {
        let text = "[a](b.md), [c](#d) and ![e](f.png \"title\")\n# D e-f: `g`!\n```\n[no](link)\n```\n"
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).md").path
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        #expect(try Self.targets(of: file) == ["b.md", "#d", "f.png"])
        #expect(try Self.anchors(of: file) == ["d-e-f-g"])
    }

    @Test(
        "every promise of Tests/README.md names tests that exist and a mutant; every mutant stands once, beside its test"
    )
    func promises() throws {
        let parts = try String(contentsOfFile: TestPaths.root + "/Tests/README.md", encoding: .utf8)
            .components(separatedBy: "\n## The first run's survivors\n")
        try #require(parts.count == 2)
        #expect(parts[1].contains("| `"), "the section of survivors names none")
        let rows = parts[0].split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2)
        var named: [String] = []
        var excused = 0
        for row in rows {
            let tests = row.matches(of: /`([A-Za-z]+Tests)\.([A-Za-z]+)\/([A-Za-z0-9]+)`/)
            let mutants = row.matches(of: /`([A-Za-z0-9-]+\.mutant)`/).map { String($0.output.1) }
            let isExcused = row.contains("| none: ")
            #expect(!tests.isEmpty && mutants.isEmpty == isExcused, "no test, or neither a mutant nor why: \(row)")
            excused += isExcused ? 1 : 0
            for test in tests {
                #expect(try Self.exists(test.output.1, test.output.2, test.output.3), "no test \(test.output.0)")
            }
            let names = tests.map { "\($0.output.1).\($0.output.2)/\($0.output.3)" }
            for mutant in mutants {
                let text = try String(contentsOfFile: TestPaths.root + "/Tests/Mutants/\(mutant)", encoding: .utf8)
                let killer = String(try #require(text.firstMatch(of: /\nTest: (.+)\n/)).output.1)
                #expect(names.contains(killer), "\(killer) kills \(mutant), and its row does not say so")
            }
            named += mutants
        }
        let present = try Self.files(below: "Tests/Mutants", suffix: ".mutant").map {
            URL(filePath: $0).lastPathComponent
        }
        #expect(named.sorted() == present.sorted())
        #expect(excused <= 1)
    }

    @Test("Sources/README.md names the modules and their arrows as Package.swift does")
    func modules() throws {
        let readme = try String(contentsOfFile: TestPaths.root + "/Sources/README.md", encoding: .utf8)
        let rows = try #require(
            readme.components(separatedBy: "<!-- modules -->").last?.components(separatedBy: "<!-- modules end -->")
                .first)
        var named: [String: Set<String>] = [:]
        for row in rows.split(separator: "\n").dropFirst(2) {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            named[cells[0]] = Set(cells[1].split(separator: ", ").map(String.init))
        }
        let package = try String(contentsOfFile: TestPaths.root + "/Package.swift", encoding: .utf8)
        var declared: [String: Set<String>] = [:]
        let declaration = /\.(?:module|program)\(\s*"([A-Za-z-]+)"(?:,\s*\[([^\]]*)\])?/
        for match in package.matches(of: declaration) {
            let imports = (match.output.2 ?? "").matches(of: /"([A-Za-z]+)"/).map { String($0.output.1) }
            declared[String(match.output.1)] = Set(imports)
        }
        #expect(named == declared)
    }

    // MARK: Markdown

    /// Every Markdown file that is not built, downloaded or a tool's.
    private static func documents() throws -> [String] {
        let top = ["README.md", ".github/CHANGELOG.md"].map { TestPaths.root + "/" + $0 }
        return try top
            + ["Sources", "Tests", "Migrations", "Deploy", "systemd"].flatMap { try files(below: $0, suffix: ".md") }
    }

    private static func files(below folder: String, suffix: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: TestPaths.root + "/" + folder).filter {
            $0.hasSuffix(suffix)
        }
        .map { TestPaths.root + "/" + folder + "/" + $0 }.sorted()
    }

    /// Lines outside of fenced blocks.
    private static func prose(of document: String) throws -> [Substring] {
        var isFenced = false
        return try String(contentsOfFile: document, encoding: .utf8).split(separator: "\n").filter { line in
            if line.hasPrefix("```") { isFenced.toggle() }
            return !isFenced
        }
    }

    /// Of links and pictures, in Markdown and in HTML.
    private static func targets(of document: String) throws -> [String] {
        try prose(of: document).flatMap { line in
            line.matches(of: /\]\(([^)\s]+)[^)]*\)/).map { String($0.output.1) }
                + line.matches(of: /(?:src|href)="([^"]+)"/).map { String($0.output.1) }
        }
    }

    /// As GitHub makes them from headings.
    private static func anchors(of document: String) throws -> [String] {
        try prose(of: document).filter { $0.hasPrefix("#") }.map { line in
            String(
                line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased().compactMap { character in
                    character == " "
                        ? "-" : character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
                })
        }
    }
}
