package import JanusJob

/// What a checkpoint consists of, for people.
package struct ModelDescription: Sendable, Equatable {
    package struct Part: Sendable, Equatable {
        /// "language model", "understanding encoder", …
        package var name: String
        package var tensors: Int
        package var parameters: Int
        /// Bytes in the checkpoint's files.
        package var bytes: Int
    }

    package var configuration: JanusConfiguration
    package var precision: Precision
    package var fingerprint: String
    package var files: [String]
    package var parts: [Part]
    /// Tensors that are present, known and unused.
    package var ignored: Part
    /// Bytes that the weights take in memory, without KV cache and without what only encodes images; a pack's are shared by all processes.
    package var memoryBytes: Int
}
