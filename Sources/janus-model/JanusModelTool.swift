import ArgumentParser

@main
struct JanusModelTool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "janus-model",
        abstract: "Works with a Janus-Pro checkpoint, without a database.",
        subcommands: [Verify.self])
}
