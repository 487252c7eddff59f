import Foundation

/// What all transfers of one client share. Connections are reused only within a client, so its one policy holds for each.
package struct HTTPClientConfiguration: Sendable {
    package var allowsPlainHTTP: Bool
    package var addresses: AddressPolicy
    /// PEM file of certificate authorities instead of the system's.
    package var caFile: String?
    package var userAgent: String

    package init(
        allowsPlainHTTP: Bool = false, addresses: AddressPolicy = AddressPolicy(), caFile: String? = nil,
        userAgent: String = "janusd"
    ) {
        self.allowsPlainHTTP = allowsPlainHTTP
        self.addresses = addresses
        self.caFile = caFile
        self.userAgent = userAgent
    }
}

/// Sends requests by libcurl: one multi handle on one thread, which ends with the client.
///
/// Every connection passes `AddressPolicy` at connect time; redirects are reported, never followed; proxies and
/// credentials of the environment are ignored.
package final class HTTPClient: Sendable {
    private let configuration: HTTPClientConfiguration
    private let mailbox: TransferMailbox

    /// - Throws: `unusable` when libcurl cannot be initialised or the CA file cannot be used.
    package init(_ configuration: HTTPClientConfiguration) throws(HTTPError) {
        guard LibCurl.isReady else { throw .unusable(reason: "libcurl failed to initialise") }
        if let file = configuration.caFile { try Self.checkCertificates(file) }
        self.configuration = configuration
        let mailbox = TransferMailbox()
        self.mailbox = mailbox
        let thread = Thread { TransferLoop(mailbox, configuration).run() }
        thread.name = "janus-http"
        thread.start()
    }

    /// libcurl would say so of every transfer only.
    private static func checkCertificates(_ file: String) throws(HTTPError) {
        guard let content = FileManager.default.contents(atPath: file) else {
            throw .unusable(reason: "the CA file \(file) cannot be read")
        }
        guard content.range(of: Data("-----BEGIN ".utf8)) != nil else {
            throw .unusable(reason: "the CA file \(file) has no certificate in PEM form")
        }
    }

    deinit { mailbox.close() }

    /// Sends one request and collects its response.
    ///
    /// Cancelling the task removes the transfer and throws `canceled`.
    package func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        guard request.url.isSecure || configuration.allowsPlainHTTP else {
            throw .forbiddenScheme(url: request.url.description)
        }
        let ticket = mailbox.newTicket()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                mailbox.submit(TransferOrder(ticket: ticket, request: request, continuation: continuation))
                // the handler may have run before there was a transfer to cancel
                if Task.isCancelled { mailbox.cancel(ticket) }
            }
        } onCancel: {
            mailbox.cancel(ticket)
        }
        return try result.get()
    }
}
