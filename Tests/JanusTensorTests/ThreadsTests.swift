import Synchronization
import Testing

import JanusTensor

@Suite struct ThreadsTests {
    @Test("elementwise work over many rows is whole whichever threads do it, also from several callers at once")
    func concurrentCallers() async {
        await withTaskGroup(of: Bool.self) { group in
            for caller in 0..<8 {
                group.addTask {
                    let matrix = Matrix(Array(repeating: Float(caller), count: 4096 * 64), rows: 4096, columns: 64)
                    for _ in 0..<50 { matrix.softmax() }
                    return matrix.array().allSatisfy { abs($0 - 1 / 64) < 1e-6 }
                }
            }
            for await isWhole in group { #expect(isWhole) }
        }
    }

    @Test("each index is in one part, however many there are")
    func parts() {
        for count in 0..<400 { #expect(Threads.map(count) { $0 } == Array(0..<count)) }
    }
}
