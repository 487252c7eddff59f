import Foundation
import TestSupport
import Testing

@Suite("memory of a step")
struct AllocationTests {
    @Test(
        "a step of images and texts, with a job that waits for room, allocates nothing on any thread",
        arguments: ["int8", "int4", "bf16"])
    func steps(precision: String) throws {
        let process = Process()
        process.executableURL = try Reference.executable("step-allocations")
        process.arguments = [try TinyPack.path(precision)]
        // one pipe for both: it is read to its end before the program is waited for
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && text == "0 allocations in 10 steps\n", "\(text)")
    }
}
