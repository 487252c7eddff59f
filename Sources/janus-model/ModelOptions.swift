import ArgumentParser
import Foundation
import JanusEngine
import JanusJob
import JanusModel
import JanusTensor

/// Arguments that every command which runs a model has.
struct ModelOptions: ParsableArguments {
    @Argument(help: "Directory of the checkpoint, or a pack (a file, or a directory with one).", completion: .file())
    var model: String

    @Option(help: "Threads to compute with (default: one a processor).")
    var threads: Int?

    @Option(help: "Tokens of prompt, pictures and answer together.")
    var contextTokensMax = Engine.Options().contextTokensMax

    @Option(help: "bf16 or int8: how a pack's keys and values are kept (default: int8, of a bf16 pack bf16).")
    var kv: KeyValueFormat?

    @Flag(help: "No progress on standard error.")
    var quiet = false

    func validate() throws {
        guard (threads ?? 1) >= 1, contextTokensMax >= 1 else {
            throw ValidationError("--threads and --context-tokens-max must be at least 1")
        }
    }

    func location() throws -> ModelLocation {
        do throws(ModelError) { return try ModelLocation.find(model) } catch { throw Failure(error.description) }
    }

    /// Loads the model, showing how far that is.
    func load(_ location: ModelLocation, _ bar: ProgressBar) throws -> Engine {
        var options = Engine.Options()
        if let threads { options.threads = threads }
        options.contextTokensMax = contextTokensMax
        options.keyValueFormat = kv
        defer { bar.clear() }
        do throws(EngineError) {
            return try Engine.load(location, options: options) { bar.show("loading", $0) }
        } catch {
            throw Failure(error.description)
        }
    }
}

extension KeyValueFormat: ExpressibleByArgument {}

/// An error whose text is all there is to say.
struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    init(_ interruption: Interruption) {
        switch interruption {
        case .stopped: self.init("stopped")
        case .failed(let error): self.init(error.message)
        }
    }
}
