import CLibCurl

/// An http or https URL, judged by the parser that will also connect: what is checked is what is reached.
///
/// Its description leaves the query out; nothing that logs or reports sees more.
package struct HTTPURL: Sendable, Hashable, CustomStringConvertible {
    package static let bytesMax = 8192

    /// The whole URL with its query, without a fragment; a secret when it is presigned.
    package let text: String
    package let isSecure: Bool
    package let host: String
    /// Begins with `/`; percent-encoded as it was given.
    package let path: String
    /// Without the question mark; nil when there is none.
    package let query: String?
    private let authority: String

    /// - Throws: `invalidURL`, for another scheme, user information, a missing host, a character that a URL cannot
    ///   hold (also blanks, control characters and everything that is not ASCII), or more than `bytesMax` bytes.
    package init(_ text: String) throws(HTTPError) {
        guard text.utf8.count <= Self.bytesMax else {
            throw .invalidURL(reason: "\(text.utf8.count) bytes are more than the \(Self.bytesMax) that are allowed")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw .invalidURL(
                reason: "it holds a blank, a control character or one that is not ASCII; percent-encode it")
        }
        let scheme = text.prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw .invalidURL(reason: "its scheme must be http or https")
        }
        // libcurl forgives one slash or three; nobody means such a URL
        let rest = text.dropFirst(scheme.count)
        guard rest.hasPrefix("://"), !rest.hasPrefix(":///") else {
            throw .invalidURL(reason: "it names no host")
        }
        guard let parts = ParsedURL() else { throw .unusable(reason: "no memory is left") }
        try parts.parse(text)
        guard let host = parts[CURLUPART_HOST], !host.isEmpty else { throw .invalidURL(reason: "it names no host") }
        self.text = String(text.prefix { $0 != "#" })
        isSecure = scheme == "https"
        self.host = host
        path = parts[CURLUPART_PATH] ?? "/"
        query = parts[CURLUPART_QUERY]
        authority = "\(scheme)://\(host)" + (parts[CURLUPART_PORT].map { ":\($0)" } ?? "")
    }

    /// Scheme, host, port and path.
    package var description: String { authority + path }

    /// The same place with `suffix` behind its path; the query stays.
    package func appending(path suffix: String) throws(HTTPError) -> HTTPURL {
        try HTTPURL(authority + path + suffix + (query.map { "?\($0)" } ?? ""))
    }
}

/// libcurl's URL handle, read only.
@safe private struct ParsedURL: ~Copyable {
    private let handle: OpaquePointer

    /// nil when there is no memory left.
    init?() {
        guard let handle = unsafe curl_url() else { return nil }
        unsafe self.handle = handle
    }

    func parse(_ text: String) throws(HTTPError) {
        let code = unsafe curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_DISALLOW_USER | CURLU_PATH_AS_IS))
        if code == CURLUE_USER_NOT_ALLOWED {
            throw .invalidURL(reason: "it holds a user name or password; those are not taken from URLs")
        }
        guard code == CURLUE_OK else {
            throw .invalidURL(reason: unsafe String(cString: curl_url_strerror(code)))
        }
    }

    deinit { unsafe curl_url_cleanup(handle) }

    subscript(part: CURLUPart) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe curl_url_get(handle, part, &text, 0) == CURLUE_OK, let text = unsafe text else { return nil }
        defer { unsafe curl_free(text) }
        return unsafe String(cString: text)
    }
}
