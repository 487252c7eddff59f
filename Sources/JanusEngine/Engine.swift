import Foundation
package import JanusImage
package import JanusJob
package import JanusModel
import JanusTensor
package import JanusText

/// A loaded model with its tokenizer and preprocessor: requests in, images and answers out.
///
/// Not `Sendable`: it belongs to the thread that computes. `batcher` takes many jobs at once; `generate` and `answer` give it
/// one and wait for its end.
package final class Engine {
    package struct Options: Sendable {
        /// Threads of the kernels; at least 1.
        package var threads: Int
        /// Tokens of prompt, pictures and answer together. The config says 16,384, the report trains 4,096.
        package var contextTokensMax = 4096
        /// Memory for keys and values of all jobs together. A job with more images than fit draws them as there is room.
        package var cacheBytesMax = 4 << 30
        /// How keys and values are kept: nil as the pack's precision has it by default. A checkpoint in f32 keeps them in f32.
        package var keyValueFormat: KeyValueFormat?
        /// Jobs in one batch; f32 takes one at a time.
        package var jobsMax = 8
        package var imageLimits = ImageLimits()

        package init(threads: Int = ProcessInfo.processInfo.activeProcessorCount) { self.threads = threads }
    }

    /// Changes whenever the same inputs may give other bytes: arithmetic, sampling, templates, file encoding.
    static let numericsVersion = 5

    let parts: EngineParts
    /// Every job goes through it.
    package let batcher: Batcher

    /// What the model is called in outputs.
    package var name: String { parts.name }
    package var contextTokensMax: Int { parts.contextTokensMax }
    package var tokenizer: Tokenizer { parts.tokenizer }
    package var preprocessor: ImagePreprocessor { parts.preprocessor }
    package var options: Options { parts.options }
    package var configuration: JanusConfiguration { parts.configuration }
    /// Whether its layers are packed; else all is in f32.
    package var isPacked: Bool { parts.model.precision != nil }
    /// Of the square pictures that it draws, in pixels.
    package var pictureSide: Int { configuration.tokenizer.imageSize }
    /// Of the text that one token stands for, at most.
    package var tokenBytesMax: Int { tokenizer.tokenBytesMax }
    /// Jobs that find room at once when each draws an image: not more than the batcher takes, and at least one.
    package var jobsWithRoom: Int {
        let positions = Self.promptTokensUsual + configuration.generationTokens
        let bytes = configuration.cacheBytes(positions: positions) * 2
        return max(1, min(parts.jobsMax, options.cacheBytesMax / bytes))
    }

    private static let promptTokensUsual = 32

    /// Everything that decides the bytes of a result. OpenBLAS's sums depend on its kernels and on how many threads share
    /// them, in their last bits.
    /// Packed layers have one arithmetic for any number of threads; the instruction set is there in case one is wrong.
    package var fingerprint: String {
        guard let precision = parts.model.precision else {
            return
                "f32/v\(Self.numericsVersion)/\(ProcessorChoice.kernels)x\(options.threads)/\(parts.model.fingerprint)"
        }
        let format = configuration.keyValueFormat.map { "/kv-\($0.rawValue)" } ?? ""
        return "\(precision.rawValue)\(format)/v\(Self.numericsVersion)/\(Threads.isa.name)/\(parts.model.fingerprint)"
    }

    /// Loads a checkpoint's directory (config.json, safetensors, tokenizer.json, preprocessor_config.json) or a pack,
    /// which holds all of that.
    /// - Parameters:
    ///   - name: nil takes the location's.
    ///   - progress: told the fraction that is loaded, from 0 to 1.
    /// - Throws: `EngineError` with the file and what to do.
    package static func load(
        _ location: ModelLocation, name: String? = nil, options: Options = Options(),
        progress: @escaping (Double) -> Void = { _ in }
    ) throws(EngineError) -> Engine {
        let folder = URL(filePath: location.path)
        // The small files first: what is wrong with them should not cost a load.
        let tokenizer: Tokenizer
        let preprocessor: ImagePreprocessor
        let model: JanusModel
        let tokenizerFile: Data?
        let preprocessorFile: Data?
        do throws(ModelError) {
            _ = try JanusModel.describe(location)
            tokenizerFile = try location.carriedFile("tokenizer.json")
            preprocessorFile = try location.carriedFile("preprocessor_config.json")
        } catch { throw .model(error) }
        do throws(TextError) {
            tokenizer = try Tokenizer(
                path: folder.appending(path: "tokenizer.json").path,
                contents: tokenizerFile)
        } catch { throw .tokenizer(error) }
        do throws(ImageError) {
            preprocessor = try ImagePreprocessor(
                path: folder.appending(path: "preprocessor_config.json").path, contents: preprocessorFile)
        } catch { throw .preprocessor(error) }
        Threads.configure(max(options.threads, 1))
        do throws(ModelError) {
            model = try JanusModel.load(location, progress: progress)
        } catch { throw .model(error) }
        return try Engine(
            model, tokenizer, preprocessor, name: name ?? location.name, directory: location.path, options: options)
    }

    init(
        _ model: JanusModel, _ tokenizer: Tokenizer, _ preprocessor: ImagePreprocessor, name: String,
        directory: String, options: Options
    ) throws(EngineError) {
        let configuration = model.configuration
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw .mismatch(
                directory: directory,
                reason: "tokenizer.json has ids up to \(tokenizer.vocabularySize - 1), the model has "
                    + "\(configuration.vocabularySize) embeddings")
        }
        guard preprocessor.imageSize == configuration.imageSize else {
            throw .mismatch(
                directory: directory,
                reason: "preprocessor_config.json makes pictures of \(preprocessor.imageSize) pixels, the encoder "
                    + "takes \(configuration.imageSize)")
        }
        parts = EngineParts(
            model: model, tokenizer: tokenizer, preprocessor: preprocessor, name: name, options: options)
        do throws(ModelError) { batcher = try Batcher(parts) } catch { throw .model(error) }
    }

    /// One line for people.
    package var summary: String {
        let language = configuration.language
        return
            "\(language.layers) layers of \(language.hiddenSize), vocabulary \(language.vocabularySize), pictures of "
            + "\(configuration.imageSize) pixels (\(configuration.generationTokens) tokens), "
            + Precision(parts.model.precision).rawValue
            + (configuration.keyValueFormat.map { ", keys and values in \($0.rawValue)" } ?? "")
    }
}

/// What a loaded model consists of.
struct EngineParts {
    let model: JanusModel
    let tokenizer: Tokenizer
    let preprocessor: ImagePreprocessor
    let name: String
    let options: Engine.Options

    var configuration: JanusConfiguration { model.configuration.keeping(options.keyValueFormat) }
    var contextTokensMax: Int { min(options.contextTokensMax, configuration.language.positionsMax) }
    /// Whether a row's result is the same in every batch.
    var isInvariant: Bool { model.precision != nil }
    var jobsMax: Int { isInvariant ? max(options.jobsMax, 1) : 1 }
}
