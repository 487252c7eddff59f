import CLibCurl
import Foundation

extension Transfer {
    /// Tells libcurl about the request. Returns what makes it impossible.
    func prepare(_ configuration: HTTPClientConfiguration) -> HTTPError? {
        if let header = order.request.headers.first(where: { !$0.isSendable }) {
            return .invalidHeader(name: header.name)
        }
        do {
            try setRules(configuration)
            try setRequest()
            try easy.setCallbacks(self)
            return nil
        } catch {
            return .unusable(reason: "libcurl refused an option: \(easy.reason(error.code))")
        }
    }

    /// What holds for every request: only http(s), no redirects, no proxies, no credentials, verified TLS.
    private func setRules(_ configuration: HTTPClientConfiguration) throws(CurlFailure) {
        try easy.set(CURLOPT_PROTOCOLS_STR, configuration.allowsPlainHTTP ? "http,https" : "https")
        try easy.set(CURLOPT_FOLLOWLOCATION, 0)
        try easy.set(CURLOPT_PROXY, "")
        try easy.set(CURLOPT_NOPROXY, "*")
        try easy.set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        try easy.set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        try easy.set(CURLOPT_SSL_VERIFYPEER, 1)
        try easy.set(CURLOPT_SSL_VERIFYHOST, 2)
        try easy.set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        try easy.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS)
        try easy.set(CURLOPT_USERAGENT, configuration.userAgent)
        try easy.set(CURLOPT_NOSIGNAL, 1)
        // a name server that hangs must not hold the loop when its transfer is removed
        try easy.set(CURLOPT_QUICK_EXIT, 1)
        if let file = configuration.caFile {
            try easy.set(CURLOPT_CAINFO, file)
            try easy.set(CURLOPT_CAPATH, nil)
        }
    }

    private func setRequest() throws(CurlFailure) {
        let request = order.request
        try easy.set(CURLOPT_URL, request.url.text)
        try easy.set(CURLOPT_PATH_AS_IS, 1)
        try easy.set(CURLOPT_TIMEOUT_MS, milliseconds(request.deadlines.totalSeconds))
        try easy.set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(HTTPDeadlines.connectSeconds))
        try easy.set(CURLOPT_LOW_SPEED_LIMIT, 1)
        try easy.set(CURLOPT_LOW_SPEED_TIME, max(1, milliseconds(request.deadlines.stallSeconds) / 1000))
        // decodes what comes encoded though nobody asked for it; the body's limit counts decoded bytes
        try easy.set(CURLOPT_ACCEPT_ENCODING, "")
        // no round of 100-continue before a body, and no wish for an encoding
        try easy.setHeaders(["Expect:", "Accept-Encoding:"] + request.headers.map(\.line))
        if request.method != .get || request.body != nil {
            try easy.setBody(request.body ?? Data())
            try easy.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
    }
}

private func milliseconds(_ seconds: Double) -> Int { max(1, Int((min(seconds, 86_400) * 1000).rounded())) }

extension HTTPHeader {
    fileprivate var isSendable: Bool {
        !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
            && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }

    /// As libcurl wants it: a colon without a value would remove the header.
    fileprivate var line: String { value.isEmpty ? "\(name);" : "\(name): \(value)" }
}
