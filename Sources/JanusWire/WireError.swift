/// A stream or message that breaks the protocol. The side that sees it closes the socket.
package enum WireError: Error, Equatable, CustomStringConvertible {
    case notAFrame
    case version(found: Int, supported: Int)
    case tooLarge(part: String, bytes: Int, limit: Int)
    case unknownType(Int)
    case malformed(type: String, reason: String)
    /// A message that is well-formed and that a sound peer does not send now; see `WorkerContract`.
    case breach(String)

    package var description: String {
        switch self {
        case .notAFrame:
            "the bytes do not begin with a frame's magic: the peer is not a janus process"
        case .version(let found, let supported):
            "frame version \(found), this side speaks \(supported): janusd and janus-worker must come from one release"
        case .tooLarge(let part, let bytes, let limit):
            "a frame's \(part) of \(bytes) bytes exceeds the limit of \(limit)"
        case .unknownType(let type):
            "unknown frame type \(type)"
        case .malformed(let type, let reason):
            "malformed \(type) frame: \(reason)"
        case .breach(let what):
            "against the contract: \(what)"
        }
    }
}
