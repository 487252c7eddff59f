import JanusHTTP

extension HTTPResponse {
    /// Whether the same request may well succeed later: 408, 425, 429 and what the server takes upon itself.
    var isTransient: Bool { [408, 425, 429].contains(status) || status >= 500 }
}
