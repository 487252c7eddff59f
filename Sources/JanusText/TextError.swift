/// A tokenizer file that cannot be used, and why.
package enum TextError: Error, Equatable, CustomStringConvertible {
    case missingFile(path: String)
    case unreadable(path: String, reason: String)
    case malformed(path: String, reason: String)
    case unsupported(path: String, what: String)
    case missingToken(path: String, content: String)

    package var description: String {
        switch self {
        case .missingFile(let path):
            "\(path) does not exist: a checkpoint needs its tokenizer.json beside its weights"
        case .unreadable(let path, let reason):
            "\(path) cannot be read: \(reason)"
        case .malformed(let path, let reason):
            "\(path) is not a usable tokenizer: \(reason)"
        case .unsupported(let path, let what):
            "\(path) asks for \(what); only byte-level BPE with plain Split patterns is supported"
        case .missingToken(let path, let content):
            "\(path) has no special token \(content), which Janus-Pro's prompts need"
        }
    }
}
