import Foundation
import TestSupport
import Testing

@Suite("memory of a step")
struct AllocationTests {
    @Test(
        "a step of images and texts, with a job that waits for room, allocates nothing on any thread",
        arguments: ["int8", "int4", "bf16"])
    func steps(precision: String) throws {
        let result = try TestProcess.run(
            Reference.executable("step-allocations"), [try TinyPack.path(precision)], joinsErrors: true)
        #expect(result.status == 0 && result.output == "0 allocations in 10 steps\n", "\(result.output)")
    }
}
