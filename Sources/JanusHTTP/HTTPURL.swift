import CLibCurl
import Foundation

/// An http or https URL, judged by the parser that will also connect: what is checked is what is reached.
///
/// Its description leaves the query out; nothing that logs or reports sees more.
package struct HTTPURL: Sendable, Hashable, CustomStringConvertible {
    package static let bytesMax = 8192

    /// The whole URL with its query, without a fragment; a secret when it is presigned.
    package let text: String
    package let isSecure: Bool
    package let host: String
    /// Scheme, host and port, as receivers are told apart.
    package let origin: String
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
        origin = authority.lowercased()
    }

    /// A URL as people type it in the form that is carried: hosts in other scripts as xn-- names, what a URL cannot hold
    /// percent-encoded. What is carried already stays as it is.
    /// - Throws: `invalidURL`, also for a name that no host can have.
    package static func carried(_ text: String) throws(HTTPError) -> HTTPURL {
        guard let start = text.range(of: "://")?.upperBound else { return try HTTPURL(text) }
        let end = text[start...].firstIndex { "/?#".contains($0) } ?? text.endIndex
        var authority = String(text[start..<end])
        if !authority.utf8.allSatisfy({ $0 < 0x80 }) {
            // libidn2 reads names in the locale's encoding
            _ = unsafe setlocale(LC_CTYPE, "C.UTF-8")
            guard let parts = ParsedURL() else { throw .unusable(reason: "no memory is left") }
            try parts.parse("https://\(authority)/")
            guard let host = parts[CURLUPART_HOST, UInt32(CURLU_PUNYCODE)] else {
                throw .invalidURL(reason: "the host's name has no xn-- form")
            }
            authority = host + (parts[CURLUPART_PORT].map { ":\($0)" } ?? "")
        }
        let rest = text[end...].utf8.map { byte in
            byte > 0x20 && byte < 0x7f
                ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
        return try HTTPURL("\(text[..<start])\(authority)\(rest.joined())")
    }

    /// nil for what `init` refuses.
    package static func ifAny(_ text: String) -> HTTPURL? {
        do { return try HTTPURL(text) } catch { return nil }
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

    subscript(part: CURLUPart, flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text = unsafe text else { return nil }
        defer { unsafe curl_free(text) }
        return unsafe String(cString: text)
    }
}
