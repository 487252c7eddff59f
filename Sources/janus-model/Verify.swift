import ArgumentParser
import Foundation
import JanusModel
import JanusTensor

/// Compares every stage of a model with what the official implementation computed from the same checkpoint.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares every stage of a model with expected outputs of the official implementation.",
        discussion: """
            EXPECTED is a safetensors file of expected values; the pictures image0.png, image1.png, … lie beside it. For \
            each stage the largest difference is printed as a part of the largest expected value, or whether ids and \
            bytes are equal. Exit status 1 when a stage differs by more than 1e-4 or an id is another.
            """)

    @Argument(help: "Directory of the checkpoint (config.json, model.safetensors, tokenizer.json, …).")
    var model: String

    @Argument(help: "The file of expected values; default: expected.safetensors in the checkpoint's directory.")
    var expected: String?

    func run() throws {
        var verification: Verification
        do {
            verification = try Verification(model: model, expected: expected ?? model + "/expected.safetensors")
            try verification.runAll()
        } catch let error as any CustomStringConvertible & Error {
            throw ValidationFailure(description: error.description)
        }
        let report = verification.report
        print(report.table)
        guard report.passes else { throw ExitCode.failure }
    }
}

/// An error for the terminal: its description and nothing else.
private struct ValidationFailure: Error, CustomStringConvertible {
    var description: String
}
