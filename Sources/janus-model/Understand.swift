import ArgumentParser
import Foundation
import JanusEngine
import JanusJob

/// Answers a question about pictures, or about nothing but itself.
struct Understand: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answers a question, also about pictures.",
        discussion: "The answer is on standard output, as it is written.")

    @OptionGroup var options: ModelOptions
    @Argument(help: "The question.") var question: String
    @Argument(
        help: "Pictures (PNG, JPEG, WebP), in the order in which the question is to see them.", completion: .file())
    var pictures: [String] = []
    @Option(help: "The answer ends after this many tokens at the latest.") var maxTokens = 512
    @Option(help: "Divides the logits before drawing; 0 takes the most likely token.") var temperature: Float = 0
    @Option(help: "Draw from the smallest set of tokens whose probabilities reach this.") var topP: Float = 1
    @Option(name: .shortAndLong, help: "Where chance begins.") var seed: Int64 = 0
    @Option(help: "Instead of the model's own system prompt; empty for none.") var system: String?
    @Option(help: "End the answer before this text; may be given several times.") var stop: [String] = []

    func validate() throws {
        guard maxTokens >= 1, temperature >= 0, temperature.isFinite, topP > 0, topP <= 1 else {
            throw ValidationError("--max-tokens must be at least 1, --temperature not negative, --top-p in 0…1, not 0")
        }
    }

    func run() throws {
        let bar = ProgressBar(quiet: options.quiet)
        let files = try pictures.map { path in
            do {
                return try Data(contentsOf: URL(filePath: path))
            } catch {
                throw Failure("\(path) cannot be read: \(error.localizedDescription)")
            }
        }
        let engine = try options.load(options.location(), bar)
        let parameters = AnswerParameters(
            messages: [ChatMessage(role: .user, content: question, images: files.count)], systemPrompt: system,
            maxTokens: maxTokens, temperature: temperature, topP: topP, seed: seed, stop: stop)
        do throws(Interruption) {
            var isWriting = false
            let answer = try engine.answer(
                parameters, pictures: files,
                observer: { progress in
                    // The answer's text takes the line over.
                    isWriting ? true : bar.observe(progress)
                },
                emit: { text in
                    if !isWriting { bar.clear() }
                    isWriting = true
                    FileHandle.standardOutput.write(Data(text.utf8))
                })
            if !isWriting { bar.clear() }
            print()
            if !options.quiet { report(answer) }
        } catch {
            bar.clear()
            throw Failure(error)
        }
    }

    private func report(_ answer: Answer) {
        let usage = answer.usage
        let text = String(
            format: "%d + %d tokens (%@): prefill %.2f s, drawing %.2f s\n", usage.promptTokens, usage.outputTokens,
            answer.finishReason.rawValue, usage.prefillSeconds, usage.drawingSeconds)
        FileHandle.standardError.write(Data(text.utf8))
    }
}
