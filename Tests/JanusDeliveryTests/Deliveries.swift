import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import Testing

/// May reach the receiver on this machine.
func localPolicy() -> DeliveryPolicy {
    DeliveryPolicy(allowHTTP: true, allowedNetworks: ["127.0.0.1/32"].compactMap { AddressRange($0) })
}

func localClient() throws -> HTTPClient {
    try HTTPClient(
        HTTPClientConfiguration(
            allowsPlainHTTP: true, addresses: AddressPolicy(allowedNetworks: localPolicy().allowedNetworks)))
}

/// The job error of `body`, which must be one.
func jobError(_ body: () async throws -> Void) async throws -> JobError {
    do {
        try await body()
    } catch let error as JobError {
        return error
    }
    return try #require(nil as JobError?, "no error came")
}

/// A folder of one test's own.
final class Folder: Sendable {
    let url: URL
    var path: String { url.path }

    init() throws {
        // the real path: temporary folders may be behind a link
        url = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appending(path: "delivery-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Everything in it, hidden files too.
    func files() throws -> [String] { try FileManager.default.subpathsOfDirectory(atPath: path).sorted() }
}

extension Uploader {
    /// By a policy that stays.
    init(
        client: HTTPClient, policy: DeliveryPolicy, retryDelaysSeconds: [Double] = Uploader.retryDelaysSeconds
    ) {
        self.init(DeliveryRoute(client: client, policy: policy), retryDelaysSeconds: retryDelaysSeconds)
    }
}
