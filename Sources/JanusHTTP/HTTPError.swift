/// Why a request got no usable response. URLs in it are without query and user information.
package enum HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Not a URL that this client understands.
    case invalidURL(reason: String)
    /// A header with a control character, or one that libcurl does not take.
    case invalidHeader(name: String)
    /// Plain http where only https is allowed.
    case forbiddenScheme(url: String)
    /// Every address of the host is in a refused range; `address` is the last that was refused.
    case forbiddenAddress(url: String, address: String)
    /// The host's name has no address.
    case unresolvable(url: String, reason: String)
    /// No connection could be made.
    case unreachable(url: String, reason: String)
    /// The peer's certificate was not accepted, or TLS failed.
    case insecure(url: String, reason: String)
    /// A deadline passed.
    case timedOut(url: String, reason: String)
    /// A successful response had more bytes than the request allows.
    case tooLarge(url: String, bytesMax: Int)
    /// The connection broke, or what came is not HTTP.
    case interrupted(url: String, reason: String)
    /// The sending task was cancelled.
    case canceled(url: String)
    /// The client was closed.
    case closed
    /// libcurl or a file it needs is not usable.
    case unusable(reason: String)

    package var description: String {
        switch self {
        case .invalidURL(let reason): "invalid URL: \(reason)"
        case .invalidHeader(let name): "header '\(name)' is malformed or holds a control character"
        case .forbiddenScheme(let url):
            "\(url): plain http is not allowed; use https, or allow http in the configuration"
        case .forbiddenAddress(let url, let address):
            "\(url): address \(address) is loopback, private, link-local or otherwise reserved; "
                + "an operator may list its network as allowed"
        case .unresolvable(let url, let reason): "\(url): the host's name could not be resolved: \(reason)"
        case .unreachable(let url, let reason): "\(url): no connection: \(reason)"
        case .insecure(let url, let reason): "\(url): TLS failed: \(reason)"
        case .timedOut(let url, let reason): "\(url): timed out: \(reason)"
        case .tooLarge(let url, let bytesMax): "\(url): more than the \(bytesMax) bytes that are allowed"
        case .interrupted(let url, let reason): "\(url): the transfer broke: \(reason)"
        case .canceled(let url): "\(url): canceled"
        case .closed: "the HTTP client is closed"
        case .unusable(let reason): "HTTP cannot be used: \(reason)"
        }
    }
}
