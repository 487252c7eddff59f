import Foundation
package import JanusImage
package import JanusModel
import JanusTensor
package import JanusText

/// A loaded model with its tokenizer and preprocessor: requests in, images and answers out.
///
/// Not `Sendable`: it belongs to the thread that computes. One job at a time; a job's own rows are batched.
package final class Engine {
    package struct Options: Sendable {
        /// Threads of the kernels; at least 1.
        package var threads: Int
        /// Tokens of prompt, pictures and answer together. The config says 16,384, the report trains 4,096.
        package var contextTokensMax = 4096
        /// Memory for keys and values. A job with more images draws them group after group.
        package var cacheBytesMax = 4 << 30
        package var imageLimits = ImageLimits()

        package init(threads: Int = ProcessInfo.processInfo.activeProcessorCount) { self.threads = threads }
    }

    /// Changes whenever the same inputs may give other bytes: arithmetic, sampling, templates, file encoding.
    static let numericsVersion = 2

    /// What the model is called in outputs.
    package let name: String
    package let contextTokensMax: Int
    package let tokenizer: Tokenizer
    package let preprocessor: ImagePreprocessor
    package let options: Options
    let model: JanusModel

    package var configuration: JanusConfiguration { model.configuration }
    /// Everything that decides the bytes of a result. OpenBLAS's sums depend on its kernels and on how many threads share
    /// them, in their last bits.
    /// Packed layers have one arithmetic for any number of threads; the instruction set is there in case one is wrong.
    package var fingerprint: String {
        guard let precision = model.precision else {
            return "f32/v\(Self.numericsVersion)/\(ProcessorChoice.kernels)x\(options.threads)/\(model.fingerprint)"
        }
        return "\(precision.rawValue)/v\(Self.numericsVersion)/\(Threads.isa.name)/\(model.fingerprint)"
    }

    /// Loads a checkpoint's directory (config.json, safetensors, tokenizer.json, preprocessor_config.json) or a pack,
    /// which holds all of that.
    /// - Parameters:
    ///   - directory: see `ModelLocation`.
    ///   - name: nil takes the directory's name.
    ///   - progress: told the fraction that is loaded, from 0 to 1.
    /// - Throws: `EngineError` with the file and what to do.
    package static func load(
        directory: String, name: String? = nil, options: Options = Options(),
        progress: @escaping (Double) -> Void = { _ in }
    ) throws(EngineError) -> Engine {
        let location: ModelLocation
        do throws(ModelError) { location = try ModelLocation.find(directory) } catch { throw .model(error) }
        let folder = URL(filePath: directory)
        // The small files first: what is wrong with them should not cost a load.
        let tokenizer: Tokenizer
        let preprocessor: ImagePreprocessor
        let model: JanusModel
        let tokenizerFile: Data?
        let preprocessorFile: Data?
        do throws(ModelError) {
            _ = try JanusModel.describe(directory: directory)
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
            model = try JanusModel.load(directory: directory, progress: progress)
        } catch { throw .model(error) }
        return try Engine(
            model, tokenizer, preprocessor, name: name ?? location.name, directory: directory,
            options: options)
    }

    private init(
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
        self.model = model
        self.tokenizer = tokenizer
        self.preprocessor = preprocessor
        self.name = name
        self.options = options
        contextTokensMax = min(options.contextTokensMax, configuration.language.positionsMax)
    }

    /// One line for people.
    package var summary: String {
        let language = configuration.language
        return
            "\(language.layers) layers of \(language.hiddenSize), vocabulary \(language.vocabularySize), pictures of "
            + "\(configuration.imageSize) pixels (\(configuration.generationTokens) tokens), "
            + (model.precision?.rawValue ?? "f32")
    }

    /// Runs `body` with the model asking `run` whether to go on.
    func observed<Value>(
        _ observer: EngineObserver, _ body: (EngineRun) throws(Interruption) -> Value
    ) throws(Interruption) -> Value {
        // The model holds the closure only while `body` runs.
        let result: Result<Value, Interruption> = withoutActuallyEscaping(observer) { observer in
            let run = EngineRun(observer: observer)
            model.interrupt = { run.wantsToStop }
            defer { model.interrupt = { false } }
            do throws(Interruption) { return .success(try body(run)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
