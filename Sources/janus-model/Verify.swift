import ArgumentParser

/// Compares every stage of a model with what the official implementation computed from the same checkpoint.
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares every stage of a model with expected outputs of the official implementation.")

    @Argument(help: "Directory of the checkpoint.") var model: String
    @Argument(help: "expected.safetensors; the pictures imageK.png lie beside it.") var expected: String

    func run() throws {
        throw CleanExit.message("not built yet")
    }
}
