import Foundation
import JanusSupervisor
import Testing

@Suite struct WorkerLinesTests {
    @Test("lines come whole, however they are cut, and the last when nothing more comes")
    func whole() {
        var lines = WorkerLines()
        var said: [String] = []
        for byte in Data("janus-worker: packing\nzwölf %\n\nend".utf8) { said += lines.append([byte], now: 0) }
        #expect(said == ["janus-worker: packing", "zwölf %"])
        #expect(lines.finish(now: 0) == ["end"] && lines.finish(now: 0).isEmpty)
    }

    @Test("nothing in a line can end it or move a terminal's cursor")
    func control() {
        var lines = WorkerLines()
        #expect(lines.append("a\r<3>b\u{1B}[2Jc\u{2028}d\u{202E}\n".utf8, now: 0) == ["a <3>b [2Jc d "])
        #expect(lines.append([0xFF, 0x41, 0x0A], now: 0) == ["\u{FFFD}A"])
    }

    @Test("a long line is cut, and of many the rest is counted")
    func bounds() {
        var lines = WorkerLines()
        let long = String(repeating: "x", count: 5 * WorkerLines.lineBytesMax) + "\n"
        #expect(lines.append(long.utf8, now: 0) == [String(repeating: "x", count: WorkerLines.lineBytesMax)])
        let flood = String(repeating: "y\n", count: 10_000)
        #expect(lines.append(flood.utf8, now: 1).count == WorkerLines.linesMax - 1)
        let dropped = 10_000 - (WorkerLines.linesMax - 1)
        #expect(lines.append("z\n".utf8, now: WorkerLines.intervalSeconds) == ["(\(dropped) lines more)", "z"])
    }
}
