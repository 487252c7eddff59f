import Foundation
import JanusHTTP
import TestSupport

/// A client that may reach the receiver on this machine, and nothing else that is reserved.
func localClient(caFile: String? = nil) throws -> HTTPClient {
    try HTTPClient(
        HTTPClientConfiguration(
            allowsPlainHTTP: true,
            addresses: AddressPolicy(allowedNetworks: ["127.0.0.1/32"].compactMap { AddressRange($0) }), caFile: caFile,
            userAgent: "janusd/test"))
}

extension HTTPRequest {
    /// A GET with bounds that a healthy answer never meets.
    static func get(_ url: String, bytesMax: Int = 1 << 20, seconds: Double = 60) throws -> HTTPRequest {
        HTTPRequest(
            .get, try HTTPURL(url), bodyLimit: .refuse(overBytes: bytesMax),
            deadlines: HTTPDeadlines(totalSeconds: seconds))
    }
}

/// The error of `body`, which must be one.
func failure(_ body: () async throws -> HTTPResponse) async throws -> HTTPError? {
    do {
        _ = try await body()
        return nil
    } catch let error as HTTPError {
        return error
    }
}
