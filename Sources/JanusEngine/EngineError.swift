package import JanusImage
package import JanusJob
package import JanusModel
import JanusTensor
package import JanusText

/// Why a checkpoint cannot serve jobs.
package enum EngineError: Error, Equatable, CustomStringConvertible {
    case model(ModelError)
    case tokenizer(TextError)
    case preprocessor(ImageError)
    /// Parts that are each sound do not fit together.
    case mismatch(directory: String, reason: String)

    package var description: String {
        switch self {
        case .model(let error): error.description
        case .tokenizer(let error): error.description
        case .preprocessor(let error): error.description
        case .mismatch(let directory, let reason): "the parts of \(directory) do not fit together: \(reason)"
        }
    }
}

/// Why a job has no result.
package enum Interruption: Error, Equatable {
    /// The observer asked for it.
    case stopped
    case failed(JobError)
}

extension Interruption {
    init(_ error: ModelError) {
        switch error {
        case .interrupted: self = .stopped
        case .notAModel, .pickleOnly, .configuration, .weights, .missingTensor, .extraTensors, .misshapenTensor,
            .tokenOutOfRange, .pack, .packCache, .notFinite, .encodingNotFinite, .cacheMemory:
            self = .failed(JobError(.internalError, error.description, retryable: false))
        }
    }
}

extension JobError {
    /// - Parameter what: a stage of the model has computed.
    static func notFinite(_ what: String) -> JobError {
        JobError(.internalError, "\(what) are not finite numbers: the model is damaged", retryable: false)
    }
}

extension Matrix {
    /// Itself.
    /// - Throws: `failed` where a value is NaN or infinite.
    func finite(_ what: String) throws(Interruption) -> Matrix {
        guard isFinite else { throw .failed(.notFinite(what)) }
        return self
    }
}
