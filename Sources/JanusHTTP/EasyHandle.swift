import CLibCurl
import Foundation

/// One easy handle, with what libcurl keeps pointers to until it is freed.
@safe struct EasyHandle: ~Copyable {
    /// Tells handles apart; never followed.
    struct Identity: Hashable {
        private let address: UInt
        init(_ pointer: OpaquePointer) { address = UInt(bitPattern: pointer) }
    }

    let pointer: OpaquePointer
    /// What libcurl says about a failure.
    private let errorText: UnsafeMutableBufferPointer<CChar>
    private var headers: UnsafeMutablePointer<curl_slist>?

    /// nil when there is no memory left.
    init?() {
        guard let pointer = unsafe curl_easy_init() else { return nil }
        unsafe self.pointer = pointer
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0)
        unsafe headers = nil
        _ = unsafe janus_curl_set_bytes(pointer, CURLOPT_ERRORBUFFER, errorText.baseAddress)
    }

    deinit {
        unsafe curl_easy_cleanup(pointer)
        unsafe curl_slist_free_all(headers)
        unsafe errorText.deallocate()
    }

    var identity: Identity { unsafe Identity(pointer) }

    var status: Int {
        var status = 0
        _ = unsafe janus_curl_status(pointer, &status)
        return status
    }

    /// Of the request's body.
    var sentByteCount: Int {
        var count: Int64 = 0
        _ = unsafe janus_curl_sent_bytes(pointer, &count)
        return Int(count)
    }

    func set(_ option: CURLoption, _ value: Int) throws(CurlFailure) {
        try CurlFailure.check(unsafe janus_curl_set_long(pointer, option, value))
    }

    /// libcurl copies the text; nil unsets the option.
    func set(_ option: CURLoption, _ value: String?) throws(CurlFailure) {
        try CurlFailure.check(unsafe janus_curl_set_string(pointer, option, value))
    }

    /// Sends a copy of these bytes as the request's body.
    func setBody(_ body: Data) throws(CurlFailure) {
        try CurlFailure.check(unsafe janus_curl_set_offset(pointer, CURLOPT_POSTFIELDSIZE_LARGE, Int64(body.count)))
        let code = unsafe body.withUnsafeBytes { bytes in
            // a null pointer would make libcurl read the body from standard input
            unsafe bytes.baseAddress.map { unsafe janus_curl_set_bytes(pointer, CURLOPT_COPYPOSTFIELDS, $0) }
                ?? janus_curl_set_string(pointer, CURLOPT_COPYPOSTFIELDS, "")
        }
        try CurlFailure.check(code)
    }

    /// Sends these lines (`Name: value`) with the request.
    mutating func setHeaders(_ lines: [String]) throws(CurlFailure) {
        for line in lines {
            guard let longer = unsafe curl_slist_append(headers, line) else {
                throw CurlFailure(code: CURLE_OUT_OF_MEMORY)
            }
            unsafe headers = longer
        }
        try CurlFailure.check(unsafe janus_curl_set_list(pointer, CURLOPT_HTTPHEADER, headers))
    }

    /// Has `transfer` called, on the loop's thread. It must outlive the handle's use.
    func setCallbacks(_ transfer: Transfer) throws(CurlFailure) {
        let context = unsafe Unmanaged.passUnretained(transfer).toOpaque()
        try CurlFailure.check(unsafe janus_curl_set_on_header(pointer, onHeader, context))
        try CurlFailure.check(unsafe janus_curl_set_on_body(pointer, onBody, context))
        try CurlFailure.check(unsafe janus_curl_set_on_socket(pointer, onSocket, context))
    }

    /// libcurl's words for a failure, printable and on one line.
    func reason(_ code: CURLcode) -> String {
        let detail = unsafe errorText.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let text =
            unsafe detail.isEmpty ? String(cString: curl_easy_strerror(code)) : String(decoding: detail, as: UTF8.self)
        return String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : Character($0) })
    }
}

/// A setter that libcurl refused.
struct CurlFailure: Error {
    let code: CURLcode

    static func check(_ code: CURLcode) throws(CurlFailure) {
        if code != CURLE_OK { throw CurlFailure(code: code) }
    }
}
