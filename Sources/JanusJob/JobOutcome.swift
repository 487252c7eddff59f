package import Foundation

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
    /// The answer; nil for images.
    package var text: String?
    /// Why the answer ended; nil for images.
    package var finishReason: FinishReason?
    package var outputs: [JobOutput]
    package var usage: JobUsage

    package init(text: String?, finishReason: FinishReason?, outputs: [JobOutput], usage: JobUsage) {
        self.text = text
        self.finishReason = finishReason
        self.outputs = outputs
        self.usage = usage
    }
}

package enum FinishReason: String, Codable, Sendable {
    /// The model ended its answer, or a stop string was met.
    case stop
    /// `max_tokens` was reached.
    case length
}

/// One file of a result: where it is and how to check it.
package struct JobOutput: Sendable, Equatable {
    package var index: Int
    package var mediaType: String
    /// Pixels; nil for text.
    package var width: Int?
    package var height: Int?
    package var byteCount: Int
    /// Lower-case hexadecimal.
    package var sha256: String
    /// Where it was uploaded to, without query strings.
    package var urls: [String]
    /// The bytes, when `db:` is among the sinks.
    package var data: Data?

    package init(
        index: Int, mediaType: String, width: Int?, height: Int?, byteCount: Int, sha256: String, urls: [String],
        data: Data?
    ) {
        self.index = index
        self.mediaType = mediaType
        self.width = width
        self.height = height
        self.byteCount = byteCount
        self.sha256 = sha256
        self.urls = urls
        self.data = data
    }
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
