import CJanusKernels
import Foundation
import Synchronization

/// What this machine can do at most, measured now with the configured threads: what a benchmark's figures are held
/// against. Others who use the machine lower it, so it is measured beside each figure.
package struct MachineCeilings: Sendable, Codable, Equatable {
    /// Read from memory, 10^9 bytes a second.
    package var readGBPerSecond: Double
    /// 10^9 operations a second; a multiply and an add are two. 0 where there are no such instructions.
    package var int8GOPPerSecond: Double
    package var bf16GOPPerSecond: Double
    package var f32GOPPerSecond: Double

    /// Takes two to three seconds.
    package static func measure() -> MachineCeilings {
        let memory = ByteStorage(count: probeBytes)
        unsafe janus_fill_noise(memory.base, memory.count, 1)
        let parts = Threads.count * partsPerThread
        let total = Atomic<UInt64>(0)
        func best(_ amount: Double, repeats: Int = repeats, _ body: @escaping (Range<Int>) -> Void) -> Double {
            (0..<repeats).map { _ in
                let start = ContinuousClock.now
                Threads.split(parts, grain: 1, body)
                return amount / max((ContinuousClock.now - start) / .seconds(1), 1e-9) / 1e9
            }.max() ?? 0
        }
        let share = probeBytes / parts
        let read = best(Double(share * parts), repeats: readRepeats) { range in
            for part in range {
                total.wrappingAdd(unsafe janus_probe_read(memory.base + part * share, share), ordering: .relaxed)
            }
        }
        func rate(_ probe: @escaping (Int) -> UInt64) -> Double {
            let operations = probe(1) * UInt64(probeRounds * parts)
            return operations == 0 ? 0 : best(Double(operations)) { range in for _ in range { _ = probe(probeRounds) } }
        }
        return MachineCeilings(
            readGBPerSecond: read, int8GOPPerSecond: rate(janus_probe_int8), bf16GOPPerSecond: rate(janus_probe_bf16),
            f32GOPPerSecond: rate(janus_probe_f32))
    }

    private static let probeBytes = 1 << 29
    private static let probeRounds = 400_000
    private static let partsPerThread = 4
    private static let repeats = 3
    /// A second or so of reading: where others share the memory, its bandwidth comes and goes within one.
    private static let readRepeats = 100
}

extension MachineCeilings {
    /// Of two measurements, the better of each: what others took from the machine was never its limit.
    package func greater(_ other: MachineCeilings) -> MachineCeilings {
        MachineCeilings(
            readGBPerSecond: max(readGBPerSecond, other.readGBPerSecond),
            int8GOPPerSecond: max(int8GOPPerSecond, other.int8GOPPerSecond),
            bf16GOPPerSecond: max(bf16GOPPerSecond, other.bf16GOPPerSecond),
            f32GOPPerSecond: max(f32GOPPerSecond, other.f32GOPPerSecond))
    }
}
