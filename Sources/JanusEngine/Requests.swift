package import Foundation
package import JanusJob

/// One job, from the beginning to the end.
extension Engine {
    /// Draws images from a text.
    /// - Throws: as `Batcher.submit` ends.
    package func generate(
        _ parameters: GenerateParameters, observer: @escaping EngineObserver = { _ in true }
    ) throws(Interruption) -> (images: [GeneratedImage], usage: JobUsage) {
        guard case .images(let images, let usage) = try run(.generate(parameters), observer: observer) else {
            preconditionFailure("images were asked for")
        }
        return (images, usage)
    }

    /// Answers the last message of a conversation.
    /// - Parameters:
    ///   - pictures: files, in the order of the messages that they belong to.
    ///   - emit: told each part of the text as soon as it is certain; nil makes no parts.
    /// - Throws: as `Batcher.submit` ends.
    package func answer(
        _ parameters: AnswerParameters, pictures: [Data] = [], observer: @escaping EngineObserver = { _ in true },
        emit: ((String) -> Void)? = nil
    ) throws(Interruption) -> Answer {
        let product = try run(.chat(parameters), pictures: pictures, observer: observer, emit: emit)
        guard case .answer(let answer) = product else { preconditionFailure("an answer was asked for") }
        return answer
    }

    private func run(
        _ task: JobTask, pictures: [Data] = [], observer: @escaping EngineObserver,
        emit: ((String) -> Void)? = nil
    ) throws(Interruption) -> JobProduct {
        var outcome: Result<JobProduct, Interruption>?
        batcher.submit(task, pictures: pictures, observer: observer, emit: emit) { outcome = $0 }
        while true {
            if let outcome { return try outcome.get() }
            batcher.advance()
        }
    }
}
