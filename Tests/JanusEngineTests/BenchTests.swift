import Foundation
import JanusJob
import JanusModel
import JanusTensor
import TestSupport
import Testing

/// Real runs of the tiny shape, and the scripts of Deploy/bench around them.
@Suite("the benchmark")
struct BenchTests {
    private struct Report: Decodable {
        struct Part: Decodable {
            var key: String
            var name: String
            var measured: String
            var runs: [Double]
            var median: Double
            var min: Double
            var max: Double
            var floorSeconds: Double
        }
        struct Ceilings: Decodable {
            var readGBPerSecond: Double
            var int8GOPPerSecond: Double
            var bf16GOPPerSecond: Double
        }
        var kv: String
        var kvBytesPerPosition: Int
        var ceilingsBefore: Ceilings
        var ceilingsAfter: Ceilings
        var parts: [Part]

        init(_ json: String) throws {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            self = try decoder.decode(Report.self, from: Data(json.utf8))
        }
    }

    private static let keys = [
        "vq", "vision", "prefill", "image", "images", "answer", "answer_step", "answers", "answers_step",
    ]

    private func bench(_ arguments: [String], input: String = "") throws -> TestProcess.Result {
        try TestProcess.run(
            Reference.executable("janus-model"),
            ["bench", "--shape", "tiny", "--images", "2", "--text", "2"] + arguments, input: .text(input))
    }

    private func script(_ name: String, _ arguments: [String]) throws -> TestProcess.Result {
        try TestProcess.run(
            URL(filePath: "/usr/bin/env"),
            ["PYTHONDONTWRITEBYTECODE=1", "python3", TestPaths.root + "/Deploy/bench.d/" + name] + arguments)
    }

    // MARK: ours

    @Test("every part has five runs with their median, least and most; the table has the same parts")
    func parts() throws {
        let result = try bench(["--json", "--kv", "bf16"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("5 runs of each part, about"))
        let report = try Report(result.output)
        #expect(report.kv == "bf16")
        #expect(report.parts.map(\.key) == Self.keys)
        for part in report.parts {
            let sorted = part.runs.sorted()
            #expect(sorted.count == 5 && sorted.allSatisfy { $0.isFinite && $0 > 0 }, "\(part)")
            #expect(part.min == sorted.first && part.median == sorted[2] && part.max == sorted.last, "\(part)")
            #expect(part.floorSeconds.isFinite && part.floorSeconds > 0, "\(part)")
            let isWhole = ["image", "images", "answer", "answers"].contains(part.key)
            #expect(part.measured == (isWhole ? "whole" : "part"))
        }

        let table = try bench(["--runs", "1", "--quiet"])
        #expect(table.status == 0 && table.errors.isEmpty, "\(table.errors)")
        let lines = table.output.split(separator: "\n").map(String.init)
        let first = try #require(lines.firstIndex { $0.contains("median s") }) + 1
        for (part, line) in zip(report.parts, lines[first...]) {
            #expect(line.hasPrefix(part.name + " ") && line.contains(" \(part.measured) "), "\(line)")
        }
        #expect(lines[first + report.parts.count].hasPrefix("whole: "))
    }

    @Test("the floor of an image is that of 576 tokens drawn, 575 of them fed, and one decoding")
    func floor() throws {
        let result = try bench(["--only", "image", "vq", "--runs", "1", "--json", "--quiet"])
        #expect(result.status == 0, "\(result.errors)")
        let report = try Report(result.output)
        #expect(report.parts.map(\.key) == ["vq", "image"])
        let configuration = ModelShape.tiny.configuration
        let language = configuration.language
        let bytesPerSecond = 1e9 * max(report.ceilingsBefore.readGBPerSecond, report.ceilingsAfter.readGBPerSecond)
        let productsPerSecond =
            0.5e9 * max(report.ceilingsBefore.int8GOPPerSecond, report.ceilingsAfter.int8GOPPerSecond)
        // where there are no such instructions, products are not counted
        func longer(bytes: Int, products: Int) -> Double {
            max(Double(bytes) / bytesPerSecond, productsPerSecond > 0 ? Double(products) / productsPerSecond : 0)
        }
        let hidden = language.hiddenSize
        let outputs = configuration.codebookSize + hidden
        let layout = PackedLayout(precision: .int8, outputs: outputs, inputs: hidden)
        let head = (bytes: layout.valuesBytes + layout.scalesBytes, products: 2 * outputs * hidden)
        let (stepBytes, fed, prompt) = (language.stepBytes(.int8), 575, 32)
        // of the two rows: their prompts, and what each fed token reads, itself included
        let positions = 2 * prompt + 2 * (fed * (prompt + 1) + fed * (fed - 1) / 2)
        let expected =
            longer(bytes: stepBytes, products: 2 * prompt * language.stepWeights)
            + longer(bytes: head.bytes, products: head.products)
            + Double(fed)
            * longer(bytes: stepBytes + head.bytes, products: 2 * language.stepWeights + head.products)
            + Double(positions * report.kvBytesPerPosition) / bytesPerSecond + report.parts[0].floorSeconds
        let floor = report.parts[1].floorSeconds
        #expect(abs(floor - expected) < 1e-9 * expected, "\(floor) instead of \(expected)")
    }

    @Test("in turns, a part is run once for each time that it is named")
    func turns() throws {
        let result = try bench(
            ["--turns", "--only", "prefill", "answers"], input: "prefill\nanswers\nprefill\nprefill\n")
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n", maxSplits: 5).map(String.init)
        try #require(lines.count == 6)
        #expect(lines[0].hasPrefix(#"{"expected":{"#))
        for (line, part) in zip(lines[1...4], ["prefill", "answers", "prefill", "prefill"]) {
            #expect(line.hasPrefix(#"{"part":"\#(part)","#), "\(line)")
        }
        let report = try Report(lines[5])
        #expect(report.parts.map(\.runs.count) == [3, 1, 1])
        let prefill = report.parts[0]
        #expect([prefill.min, prefill.median, prefill.max] == prefill.runs.sorted())
    }

    @Test(
        "a part that is not measured cannot have a turn",
        arguments: [("step\n", "no part step"), ("image\n", "image"), ("", "not run")])
    func refusals(input: String, word: String) throws {
        let result = try bench(["--turns", "--only", "prefill"], input: input)
        #expect(result.status != 0 && result.errors.contains(word), "\(result.errors)")
    }

    // MARK: beside others

    @Test("contenders take turns, and the table has what each has run; a peer that fails is said")
    func alternation() throws {
        let program = try Reference.executable("janus-model").path
        let folder = try TemporaryDirectory()
        func command(_ precision: String) -> String {
            "'\(program)' bench --turns --shape tiny --precision \(precision) --only vq image"
        }
        let wanted = #"{"precisions": ["int8"], "peers": ["transformers"], "parts": ["vq", "image"], "others": []}"#
        _ = try folder.write("run.json", Data(wanted.utf8))
        let ours = ["--ours", "janus-int8=" + command("int8"), "--runs", "2", "--peer-images", "1"]
        let result = try script(
            "turns.py", [folder.path] + ours + ["--peer", "transformers=" + command("int4")])
        #expect(result.status == 0, "\(result.errors)")
        let said = result.errors.split(separator: "\n").map(String.init)
        #expect(said.contains { $0.hasPrefix("expected: about ") && $0.contains("transformers") })
        let turns = said.filter { $0.hasPrefix("[") }.compactMap { line in
            line.split(separator: " ").dropFirst().prefix(6).joined(separator: " ")
        }
        #expect(
            turns == [
                "run 1 of 2, vq: janus-int8", "run 1 of 2, vq: transformers", "run 1 of 2, image: janus-int8",
                "run 1 of 1, image: transformers", "run 2 of 2, vq: janus-int8", "run 2 of 2, vq: transformers",
                "run 2 of 2, image: janus-int8",
            ])
        let table = try script("table.py", [folder.path])
        #expect(table.output.contains("one image") && table.output.contains("(one run)"), "\(table.output)")
        // all is there, but these are fewer runs than README promises
        let missing = table.output.split(separator: "\n").filter { $0.hasPrefix("missing: ") }
        #expect(
            table.status == 1
                && missing == [
                    "missing: transformers: runs of vq: 2, expected at least 3",
                    "missing: transformers: runs of image: 1, expected at least 3",
                    "missing: janus-int8: runs of vq: 2, expected at least 5",
                    "missing: janus-int8: runs of image: 2, expected at least 5",
                ], "\(table.output)\(table.errors)")

        try FileManager.default.removeItem(atPath: folder.path + "/transformers.json")
        let without = try script("turns.py", [folder.path] + ours + ["--peer", "transformers=false"])
        #expect(without.status == 0, "\(without.errors)")
        let gap = try script("table.py", [folder.path])
        #expect(gap.status == 1 && gap.output.contains("missing: transformers ended with exit status 1"))
    }

    /// A text in one of the made-up files, and what stands there instead.
    struct Change: Sendable {
        var file: String
        var old: String
        var new: String
    }

    /// A folder of results that were not measured.
    private func madeUp(
        transformers: String? = "[70, 90, 100]", image: [String] = ["10", "30", "20", "15", "25"], change: Change? = nil
    ) throws -> TemporaryDirectory {
        let folder = try TemporaryDirectory()
        func write(_ name: String, _ text: String) throws {
            var text = text
            if let change, change.file + ".json" == name {
                try #require(text.contains(change.old), "\(change)")
                text = text.replacing(change.old, with: change.new)
            }
            _ = try folder.write(name, Data(text.utf8))
        }
        try write(
            "run.json",
            #"{"precisions": ["int8"], "peers": ["transformers"], "parts": ["image"], "others": [], "memory": true}"#)
        let ceilings =
            #"{"readGBPerSecond": 50, "int8GOPPerSecond": 2000, "bf16GOPPerSecond": 1000, "f32GOPPerSecond": 500}"#
        let runs = "[" + image.joined(separator: ", ") + "]"
        let cases =
            #"{"prompt_tokens": 32, "question_tokens": 700, "text_tokens": 40, "answer_tokens": 64, "#
            + #""prefill_tokens": 646, "guidance": 5}"#
        try write(
            "janus-int8.json",
            """
            {"shape": "1b", "precision": "int8", "threads": 2, "isa": "made up", "kv_bytes_per_position": 102400,
             "ceilings_before": \(ceilings), "ceilings_after": \(ceilings), "memory": {"high_water": 3000000000},
             "runs_discarded": 0, "cases": \(cases),
             "parts": [{"key": "image", "name": "one image", "unit": "image", "count": 1, "measured": "whole",
                        "tokens": 576, "floor_seconds": 16, "runs": \(runs)}]}
            """)
        if let transformers {
            try write("transformers.json", #"{"name": "transformers", "runs": {"image": \#(transformers)}}"#)
        }
        try write(
            "memory.json",
            #"{"workers": 4, "proportional": 2000000000, "pack": 1500000000, "cache": 500000000, "limit": 2300000000}"#)
        return folder
    }

    @Test("the table has median, least and most of both sides, the ratio of the medians and the share of the floor")
    func table() throws {
        let folder = try madeUp()
        let text = try script("table.py", [folder.path])
        #expect(text.status == 0, "\(text.output)\(text.errors)")
        let row = try #require(text.output.split(separator: "\n").first { $0.hasPrefix("one image") })
        for words in ["20.0 (10.0–30.0)", "90.0 (70.0–100)", "4.50× (≥ 4.2)", "80 % (≥ 75)", "whole"] {
            #expect(row.contains(words), "\(words): \(row)")
        }
        #expect(!row.contains("missed") && text.output.contains("missed targets: 0 "))
        let markdown = try script("table.py", ["--markdown", folder.path])
        #expect(markdown.status == 0, "\(markdown.errors)")
        let line = "| one image | whole | 20.0 (10.0–30.0) | 80 % | 4.50× | 90.0 (70.0–100), 3 runs |"
        #expect(markdown.output.contains(line), "\(markdown.output)")
    }

    @Test("a missed target is called missed")
    func missed() throws {
        let folder = try madeUp(transformers: "[50, 60, 40]", image: ["40", "50", "60", "45", "55"])
        let result = try script("table.py", [folder.path])
        #expect(result.status == 0)
        #expect(result.output.contains("missed: transformers, floor") && result.output.contains("missed targets: 1 "))
    }

    @Test(
        "what is missing or is no number is said and fails",
        arguments: [
            (nil, ["20"], "transformers was not measured"),
            ("[70, NaN, 100]", ["20"], "transformers: image has a run that is no positive number"),
            ("[]", ["20"], "transformers: image is not measured"),
            ("[70, 90]", ["20"], "transformers: runs of image: 2, expected at least 3"),
            ("[70, 90, 100]", ["20", "21", "22", "23"], "janus-int8: runs of image: 4, expected at least 5"),
            ("[true, true, true]", ["20"], "transformers: image has a run that is no positive number"),
            ("[70, 90, 100]", ["true", "true"], "janus-int8: image has a run that is no positive number"),
            ("[70, 90, 100]", ["20", "0"], "janus-int8: image has a run that is no positive number"),
            ("[70, 90, 100]", ["20", "NaN"], "janus-int8: image has a run that is no positive number"),
            ("[70, 90, 100]", [], "janus-int8: image has no run"),
        ])
    func gaps(transformers: String?, image: [String], words: String) throws {
        let folder = try madeUp(transformers: transformers, image: image)
        for form in [[], ["--markdown"]] {
            let result = try script("table.py", form + [folder.path])
            #expect(result.status == 1 && result.output.contains("missing: " + words), "\(result)")
        }
    }

    @Test(
        "a number that cannot be is said, not printed, and fails",
        arguments: [
            (
                Change(file: "janus-int8", old: #""readGBPerSecond": 50"#, new: #""readGBPerSecond": NaN"#),
                "janus-int8: ceilings_before: readGBPerSecond is nan, not a positive number"
            ),
            (
                Change(file: "janus-int8", old: "3000000000", new: "NaN"),
                "janus-int8: memory: high_water is nan, not a positive number"
            ),
            (
                Change(file: "janus-int8", old: #""floor_seconds": 16"#, new: #""floor_seconds": -1"#),
                "janus-int8: the floor of image is -1, not a positive number"
            ),
            (
                Change(file: "janus-int8", old: #""floor_seconds": 16"#, new: #""floor_seconds": 99"#),
                "janus-int8: the floor of image is 99 s, more than 200 % of the median of 20.0 s"
            ),
            (
                Change(file: "janus-int8", old: #""runs_discarded": 0,"#, new: ""),
                "janus-int8 has no runs_discarded"
            ),
            (
                Change(file: "janus-int8", old: #""parts": [{"#, new: #""parts": [], "others": [{"#),
                "janus-int8: image is not measured"
            ),
            (
                Change(file: "janus-int8", old: #""threads": 2"#, new: #""threads": "two""#),
                "janus-int8: threads is two"
            ),
            (
                Change(file: "memory", old: "2300000000", new: "NaN"),
                "memory.json: limit is nan, not a positive number"
            ),
            (Change(file: "run", old: #"["image"]"#, new: "[]"), "run.json asks for no part"),
            (Change(file: "run", old: #""precisions": ["int8"],"#, new: ""), "run.json has no precisions"),
            (Change(file: "transformers", old: #""runs""#, new: #""run""#), "transformers has no runs"),
        ])
    func nonsense(change: Change, words: String) throws {
        let folder = try madeUp(change: change)
        for form in [[], ["--markdown"]] {
            let result = try script("table.py", form + [folder.path])
            #expect(result.status == 1 && result.errors.isEmpty, "\(result)")
            let said = result.output.split(separator: "\n").filter { $0.hasPrefix("missing: ") }
            #expect(said.contains { $0.contains(words) }, "\(result)")
            for line in result.output.split(separator: "\n") where !line.hasPrefix("missing: ") {
                #expect(!line.contains("nan") && !line.contains("-1"), "\(line)")
            }
        }
    }

    @Test("a floor above the median is said")
    func aboveTheMedian() throws {
        let folder = try madeUp(
            change: Change(file: "janus-int8", old: #""floor_seconds": 16"#, new: #""floor_seconds": 22"#))
        let result = try script("table.py", [folder.path])
        #expect(result.status == 0 && result.output.contains("110 % (≥ 75)"), "\(result)")
        #expect(result.output.contains("note: janus-int8: the floor of image lies above the median (110 %)"))
    }

    @Test("results of another request are not taken over")
    func request() throws {
        let folder = try TemporaryDirectory()
        let request = [
            folder.path, "--shape", "1b", "--images", "8", "--text", "16", "--peer-images", "3", "--threads", "2",
            "--others", "", "--memory", "no",
        ]
        func keep(runs: String, parts: String, peers: String) throws -> TestProcess.Result {
            try script(
                "request.py",
                request + ["--runs", runs, "--parts", parts, "--peers", peers, "--precisions", "int8 int4"])
        }
        #expect(try keep(runs: "1", parts: "vq", peers: "").status == 0)
        // contenders may be added
        #expect(try keep(runs: "1", parts: "vq", peers: "transformers").status == 0)
        let before = try Data(contentsOf: folder.url.appending(path: "run.json"))
        let whole = try TestProcess.run(
            URL(filePath: TestPaths.root + "/Deploy/bench"), ["--folder", folder.path, "--peers", "", "--threads", "2"])
        #expect(whole.status == 64, "\(whole)")
        #expect(whole.errors.contains("--runs: 1 there, 5 now") && whole.errors.contains("--only: ['vq'] there"))
        #expect(try Data(contentsOf: folder.url.appending(path: "run.json")) == before)

        let unknown = try TemporaryDirectory()
        try unknown.write("janus-int8.json", Data("{}".utf8))
        let refused = try TestProcess.run(
            URL(filePath: TestPaths.root + "/Deploy/bench"), ["--folder", unknown.path, "--peers", ""])
        #expect(refused.status == 64 && refused.errors.contains("results without a run.json"), "\(refused)")
    }

    @Test("Deploy/bench refuses parts, peers and precisions that it does not know before it does anything")
    func unknown() throws {
        for (arguments, word) in [
            (["--only", "image step"], "no part step"), (["--peers", "vllm"], "vllm"),
            (["--precisions", "f32"], "f32"),
            (["--only", "images", "--images", "0"], "images"), (["--runs", "0"], "--runs"),
        ] {
            let result = try TestProcess.run(URL(filePath: TestPaths.root + "/Deploy/bench"), arguments)
            #expect(result.status == 64 && result.errors.contains(word), "\(result)")
        }
    }
}
