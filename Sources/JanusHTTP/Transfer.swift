import CLibCurl
import Foundation

/// One request while libcurl works on it. Belongs to the loop's thread; libcurl calls it there.
final class Transfer {
    /// Bytes of header lines that a response may have.
    private static let headerBytesMax = 64 << 10

    let order: TransferOrder
    var easy: EasyHandle
    private let addresses: AddressPolicy
    private var headers: [HTTPHeader] = []
    private var headerBytes = 0
    private var body = Data()
    private var isBodyOver = false
    private var areHeadersOver = false
    /// When the final status and its headers were there, by `ContinuousClock`.
    private var answered: ContinuousClock.Instant?
    private var refusedAddress: String?
    private var triedAddresses = 0

    /// nil when there is no memory left.
    init?(_ order: TransferOrder, _ addresses: AddressPolicy) {
        guard let easy = EasyHandle() else { return nil }
        self.order = order
        self.easy = easy
        self.addresses = addresses
    }

    // MARK: what libcurl calls

    /// Decides, at connect time, on the very address that will be used.
    func permits(_ address: IPAddress?) -> Bool {
        guard let address, addresses.permits(address) else {
            refusedAddress = address?.description ?? "of an unknown family"
            return false
        }
        triedAddresses += 1
        return true
    }

    /// Takes one header line; false ends the transfer.
    func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Self.headerBytesMax else {
            areHeadersOver = true
            return false
        }
        let text = unsafe String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            headers = []  // an interim response came before
        } else if text.allSatisfy(\.isNewline) {
            // the headers' end; trailers of a body have one of their own
            if easy.status >= 200, answered == nil { answered = .now }
        } else if let colon = text.firstIndex(of: ":") {
            let value = text[text.index(after: colon)...].trimmingCharacters(in: .whitespacesAndNewlines)
            headers.append(HTTPHeader(String(text[..<colon]), value))
        }
        return true
    }

    /// Takes a piece of the body; false ends the transfer, because the limit is reached.
    func receive(body piece: UnsafeRawBufferPointer) -> Bool {
        let room = order.request.bodyLimit.bytesMax - body.count
        unsafe body.append(contentsOf: piece.prefix(room))
        isBodyOver = piece.count > room
        return !isBodyOver
    }

    /// When a response counts although its body goes on: its status says all that is asked for.
    var bodyDeadline: ContinuousClock.Instant? {
        guard case .cut = order.request.bodyLimit, isRequestSent else { return nil }
        return answered.map { $0 + .seconds(HTTPDeadlines.cutBodySeconds) }
    }

    private var isRequestSent: Bool { easy.sentByteCount >= order.request.body?.count ?? 0 }

    // MARK: the end, exactly once

    func fail(_ error: HTTPError) { order.continuation.resume(returning: .failure(error)) }

    /// The transfer is no longer in the multi handle.
    /// - Parameter code: nil where we ended it at `bodyDeadline`.
    func finish(_ code: CURLcode?) {
        let response = HTTPResponse(status: easy.status, headers: headers, body: body)
        if isBodyOver, response.isSuccess, case .refuse(let bytes) = order.request.bodyLimit {
            fail(.tooLarge(url: order.request.url.description, bytesMax: bytes))
        } else if let code, code != CURLE_OK, !isBodyOver, !isDecided(response) {
            fail(error(for: code))
        } else {
            order.continuation.resume(returning: .success(response))
        }
    }

    /// Whether the status says all, though the server dawdled or broke off behind it. A success before all of the request
    /// was sent is none.
    private func isDecided(_ response: HTTPResponse) -> Bool {
        guard case .cut = order.request.bodyLimit, answered != nil else { return false }
        return !response.isSuccess || isRequestSent
    }

    private func error(for code: CURLcode) -> HTTPError {
        let url = order.request.url.description
        let reason = easy.reason(code)
        if areHeadersOver {
            return .interrupted(url: url, reason: "more than \(Self.headerBytesMax) bytes of headers")
        }
        switch code {
        case CURLE_COULDNT_CONNECT:
            // with several addresses, one that was allowed but did not answer is the more useful news
            if let refusedAddress, triedAddresses == 0 { return .forbiddenAddress(url: url, address: refusedAddress) }
            return .unreachable(url: url, reason: reason)
        case CURLE_COULDNT_RESOLVE_HOST:
            return .unresolvable(url: url, reason: reason)
        case CURLE_OPERATION_TIMEDOUT:
            return .timedOut(url: url, reason: reason)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return .invalidURL(reason: reason)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CACERT_BADFILE:
            return .insecure(url: url, reason: reason)
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT, CURLE_BAD_FUNCTION_ARGUMENT, CURLE_UNKNOWN_OPTION:
            return .unusable(reason: reason)
        default:
            return .interrupted(url: url, reason: reason)
        }
    }
}
