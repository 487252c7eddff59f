import ArgumentParser
import Foundation
import JanusJob
import JanusModel
import JanusTensor

/// Turns a checkpoint into one file that is mapped as it is.
struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Packs a checkpoint into one file for fast kernels, mapped and shared by all processes.",
        discussion: """
            The pack is a safetensors file that holds everything: weights, config.json, tokenizer.json, \
            preprocessor_config.json. Every command that takes a checkpoint takes a pack. It is written under a temporary \
            name and appears when it is whole. The language model's blocks have the precision asked for. Heads and \
            the vision tower's blocks have 8 bits beside int8 and int4; what makes pictures is bf16 in every pack.
            """)

    @Argument(help: "Directory of the checkpoint.", completion: .directory) var model: String
    @Option(help: "bf16, int8 or int4.") var precision = PackedPrecision.int8
    @Option(
        name: .shortAndLong, help: "The pack's file (default: the model's name, precision and .pack.safetensors).",
        completion: .file())
    var output: String?
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Flag(help: "No progress on standard error.") var quiet = false

    func validate() throws {
        guard (threads ?? 1) >= 1 else { throw ValidationError("--threads must be at least 1") }
    }

    func run() throws {
        if let threads { Threads.configure(min(threads, Threads.threadsMax)) }
        let bar = ProgressBar(quiet: quiet)
        let name = URL(filePath: model).lastPathComponent
        let file = output ?? "\(name).\(precision.rawValue).pack.safetensors"
        do throws(ModelError) {
            try Packer.pack(directory: model, precision: precision, output: file) { bar.show("packing", $0) }
        } catch {
            bar.clear()
            throw Failure(error.description)
        }
        bar.clear()
        print(file)
    }
}

extension PackedPrecision: ExpressibleByArgument {}
