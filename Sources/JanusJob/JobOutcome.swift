/// How one claim ended; the queue turns it into one transaction.
package enum JobOutcome: Sendable, Equatable {
    case succeeded(JobResult)
    /// This attempt failed; `RetryRule` decides whether the job does.
    case failed(JobError)
    /// Stopped because `janus.cancel` asked for it.
    case canceled
    /// Handed back without charge: a draining host, or a claim beyond the free capacity.
    case released(reason: String)
}

/// What a successful run publishes.
package struct JobResult: Sendable, Equatable {
    package var outputs: [JobOutput]
    package var completion: JobCompletion

    package init(outputs: [JobOutput], completion: JobCompletion) {
        self.outputs = outputs
        self.completion = completion
    }

    /// The answer; nil for images.
    package var text: String? {
        outputs.first { $0.format == .text }.map { String(decoding: $0.data, as: UTF8.self) }
    }
}

/// What the worker says of a run that succeeded, besides its outputs.
package struct JobCompletion: Codable, Sendable, Equatable {
    /// Why the answer ended; nil for images.
    package var finishReason: FinishReason?
    package var usage: JobUsage

    package init(finishReason: FinishReason?, usage: JobUsage) {
        self.finishReason = finishReason
        self.usage = usage
    }
}

package enum FinishReason: String, Codable, Sendable {
    /// The model ended its answer, or a stop string was met.
    case stop
    /// `max_tokens` was reached.
    case length
}

/// What a run consumed, as measured by the worker.
package struct JobUsage: Codable, Sendable, Equatable {
    package var promptTokens: Int
    /// Tokens drawn: the answer's, or 576 an image for the published sizes.
    package var outputTokens: Int
    package var images: Int
    package var prefillSeconds: Double
    package var drawingSeconds: Double
    /// VQ decoding and file encoding.
    package var decodingSeconds: Double

    package init(
        promptTokens: Int = 0, outputTokens: Int = 0, images: Int = 0, prefillSeconds: Double = 0,
        drawingSeconds: Double = 0, decodingSeconds: Double = 0
    ) {
        self.promptTokens = promptTokens
        self.outputTokens = outputTokens
        self.images = images
        self.prefillSeconds = prefillSeconds
        self.drawingSeconds = drawingSeconds
        self.decodingSeconds = decodingSeconds
    }

    enum CodingKeys: String, CodingKey {
        case promptTokens = "prompt_tokens"
        case outputTokens = "output_tokens"
        case images
        case prefillSeconds = "prefill_seconds"
        case drawingSeconds = "drawing_seconds"
        case decodingSeconds = "decoding_seconds"
    }
}
