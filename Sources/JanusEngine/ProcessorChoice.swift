import COpenBLAS
import Foundation

/// Which kernels OpenBLAS takes. Debian 12's OpenBLAS 0.3.21 does not know AMD's AVX-512 cores, takes them for Haswell and
/// runs at half speed. It chooses while the program is loaded, so the only cure is to start again with the choice made.
package enum ProcessorChoice {
    static let variable = "OPENBLAS_CORETYPE"

    /// Restarts this program once, in its own process, with OPENBLAS_CORETYPE set, where that helps and nobody has set
    /// it. Call it before anything else; it returns when there is nothing to do or the restart fails.
    package static func restartIfNeeded() {
        guard ProcessInfo.processInfo.environment[variable] == nil,
            let information = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let core = coreType(cpuInformation: information),
            // Not /proc/self/exe itself: the process would be called "exe".
            let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        else { return }
        unsafe setenv(variable, core, 0)
        unsafe execv(program, CommandLine.unsafeArgv)
    }

    /// The kernels that OpenBLAS has taken, by its name for them. They decide the last bits of every f32 result.
    package static var kernels: String { unsafe String(cString: openblas_get_corename()) }

    /// The OpenBLAS core for a processor that 0.3.21 misjudges; nil for others.
    package static func coreType(cpuInformation: String) -> String? {
        func field(_ name: String) -> Substring {
            let line = cpuInformation.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
            return line.split(separator: ":", maxSplits: 1).last ?? ""
        }
        guard field("vendor_id").contains("AuthenticAMD") else { return nil }
        let flags = Set(field("flags").split(separator: " "))
        guard flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"]) else { return nil }
        return flags.contains("avx512_bf16") ? "Cooperlake" : "SkylakeX"
    }
}
