import ArgumentParser
import Foundation
import JanusEngine

/// The program's entry: what must come before anything else, then the command.
@main
enum Main {
    static func main() {
        // a limit on file sizes is an error to report, not a death
        signal(SIGXFSZ, SIG_IGN)
        ProcessorChoice.restartIfNeeded()
        JanusModelTool.main()
    }
}

struct JanusModelTool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "janus-model",
        abstract: "Works with a Janus-Pro checkpoint, without a database.",
        discussion: """
            A checkpoint is a directory with config.json, model.safetensors (or its shards and their index), \
            tokenizer.json and preprocessor_config.json, as published on Hugging Face.

              janus-model generate Janus-Pro-1B "a red fox in the snow" --images 2 --seed 42
              janus-model understand Janus-Pro-1B "What is in this picture?" photo.jpg
              janus-model describe Janus-Pro-1B
              janus-model pack Janus-Pro-1B --precision int8 -o Janus-Pro-1B.int8.pack.safetensors
            """,
        subcommands: [Generate.self, Understand.self, Describe.self, Pack.self, Bench.self, Quality.self, Verify.self])
}
