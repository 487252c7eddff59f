import ArgumentParser
import Foundation
import JanusJob
import JanusModel
import JanusTensor

/// Says what a checkpoint consists of and what it takes to run it.
struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists a checkpoint's or pack's parts, sizes, parameters and the memory it takes.",
        discussion: """
            Reads the headers of the weight files, not the weights. With --check it reads all of a pack and compares its \
            content with the hash that it was made with; with --source, also whether it was made from that checkpoint.
            """)

    @Argument(help: "Directory of the checkpoint, or a pack.", completion: .file()) var model: String
    @Flag(help: "Read a pack from end to end and check its content's hash.") var check = false
    @Option(help: "With --check: the checkpoint that the pack should be of.", completion: .directory)
    var source: String?

    func validate() throws {
        guard source == nil || check else { throw ValidationError("--source needs --check") }
    }

    func run() throws {
        let description: ModelDescription
        do throws(ModelError) {
            description = try JanusModel.describe(ModelLocation.find(model))
        } catch {
            throw Failure(error.description)
        }
        let configuration = description.configuration
        let kind =
            description.precision == .f32
            ? "in the \(configuration.layout.rawValue) layout" : "packed in \(description.precision.rawValue)"
        print("\(model): Janus-Pro \(kind)")
        print("fingerprint \(description.fingerprint)\n")
        printParts(description)
        printSizes(configuration)
        printMemory(description)
        if check { try checkContent() }
    }

    private func checkContent() throws {
        let bar = ProgressBar(quiet: false)
        do throws(ModelError) {
            try PackCheck.check(model, source: source) { bar.show("reading", $0) }
        } catch {
            bar.clear()
            throw Failure(error.description)
        }
        bar.clear()
        print("content as it was packed" + (source.map { ", from \($0)" } ?? ""))
    }

    private func printParts(_ description: ModelDescription) {
        row(["part", "tensors", "parameters", "bytes"])
        for part in description.parts + [description.ignored] where part.tensors > 0 {
            row([part.name, "\(part.tensors)", "\(part.parameters)", Self.size(part.bytes)])
        }
        let parts = description.parts
        row([
            "total", "\(parts.map(\.tensors).reduce(0, +))", "\(parts.map(\.parameters).reduce(0, +))",
            Self.size(parts.map(\.bytes).reduce(0, +)),
        ])
        print()
    }

    private func printSizes(_ configuration: JanusConfiguration) {
        let language = configuration.language
        let vision = configuration.vision
        let tokenizer = configuration.tokenizer
        print(
            """
            language model         \(language.layers) layers, width \(language.hiddenSize), ffn \(language.mlpWidth), \
            \(language.heads) heads of \(language.headSize), vocabulary \(language.vocabularySize)
            understanding encoder  \(vision.layers) blocks, width \(vision.width), \(vision.heads) heads, \
            \(vision.imageSize)×\(vision.imageSize) pixels in \(vision.tokens) patches
            image tokenizer        \(tokenizer.codebookSize) codes of \(tokenizer.codeWidth), \
            \(tokenizer.imageSize)×\(tokenizer.imageSize) pixels from \(configuration.generationTokens) tokens

            """)
    }

    private func printMemory(_ description: ModelDescription) {
        let configuration = description.configuration
        print("memory: weights \(Self.size(description.memoryBytes)) in \(description.precision.rawValue)")
        printCache(configuration, isDefault: true)
        for format in KeyValueFormat.allCases where configuration.keyValueFormat != nil {
            guard format != configuration.keyValueFormat else { continue }
            printCache(configuration.keeping(format), isDefault: false)
        }
    }

    private func printCache(_ configuration: JanusConfiguration, isDefault: Bool) {
        let position = configuration.cacheBytesPerPosition
        let format = configuration.keyValueFormat?.rawValue ?? Precision.f32.rawValue
        let choice = isDefault ? "" : " (--kv \(format))"
        print("        keys and values in \(format)\(choice): \(Self.size(position)) a token and row,")
        print(
            "        \(Self.size(2 * position * configuration.generationTokens)) an image drawn "
                + "(\(configuration.generationTokens) tokens, two rows with guidance), its prompt not counted")
    }

    private func row(_ cells: [String]) {
        let widths = [34, 9, 14, 12]
        let padded = zip(cells, widths).enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
            return index == 0 ? cell.0 + space : space + cell.0
        }
        print(padded.joined())
    }

    private static func size(_ bytes: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return String(format: unit == 0 ? "%.0f %@" : "%.1f %@", value, units[unit])
    }
}
