import Foundation
import JanusJob
import JanusModel

/// What is refused before any work is done for it.
extension EngineParts {
    /// - Parameter outputTokens: positions that the output may take.
    func checkContext(promptTokens: Int, pictures: Int, outputTokens: Int) throws(Interruption) {
        guard promptTokens + outputTokens > contextTokensMax else { return }
        let picturesPart =
            pictures == 0 ? "" : " (\(pictures * configuration.imageTokens) of them for \(pictures) pictures)"
        throw .failed(
            JobError(
                .promptTooLong,
                "the prompt has \(promptTokens) tokens\(picturesPart) and the output may take \(outputTokens); together they "
                    + "exceed the context of \(contextTokensMax)"))
    }

    /// - Parameter bytes: of keys and values, without which the job cannot begin.
    func checkMemory(bytes: Int, positions: Int, rows: Int) throws(Interruption) {
        guard bytes > options.cacheBytesMax else { return }
        throw .failed(
            JobError(
                .memoryExceeded,
                "the job needs \(Self.mebibytes(bytes)) MiB of keys and values for \(rows) "
                    + "\(rows == 1 ? "sequence" : "sequences") of \(positions) tokens; the worker has "
                    + "\(Self.mebibytes(options.cacheBytesMax)) MiB for them (workers.cache_mib)"))
    }

    private static func mebibytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / 1_048_576) }
}

/// How the progress of a prefill is counted.
enum PrefillSteps {
    private static let positions = 256

    static func total(_ count: Int) -> Int { (count + positions - 1) / positions }
    static func done(_ done: Int, of count: Int) -> Int { done == count ? total(count) : done / positions }
}
