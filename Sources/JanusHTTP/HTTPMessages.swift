package import Foundation

package enum HTTPMethod: String, Sendable {
    case get = "GET"
    case put = "PUT"
    case post = "POST"
}

/// One header line. Names compare without regard to case.
package struct HTTPHeader: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What happens when a response's body reaches the cap.
package enum HTTPBodyLimit: Sendable, Equatable {
    /// A successful (2xx) response with more bytes fails as `HTTPError.tooLarge`; other responses are cut there.
    case refuse(overBytes: Int)
    /// The transfer ends at this many bytes, or where the server breaks off or dawdles, and the response counts with what
    /// came: the status is what is asked for.
    case cut(atBytes: Int)

    package var bytesMax: Int {
        switch self {
        case .refuse(let bytes), .cut(let bytes): bytes
        }
    }
}

/// Bounds in time of one transfer, in seconds.
package struct HTTPDeadlines: Sendable, Equatable {
    /// From `send` to the last byte of the response, name resolution included.
    package var totalSeconds: Double
    /// A transfer in which no byte moves for this long is given up.
    package var stallSeconds: Double

    /// Behind the headers of a response whose body is cut anyway.
    static let cutBodySeconds = 1.0
    /// Of it, for the connection.
    static let connectSeconds = 10.0

    package init(totalSeconds: Double, stallSeconds: Double = 60) {
        self.totalSeconds = totalSeconds
        self.stallSeconds = stallSeconds
    }
}

/// One request; it is sent once and follows no redirect.
package struct HTTPRequest: Sendable {
    package var method: HTTPMethod
    package var url: HTTPURL
    /// Sent as they are; a value with a control character is refused.
    package var headers: [HTTPHeader]
    /// nil sends no body, empty data one of no bytes.
    package var body: Data?
    package var bodyLimit: HTTPBodyLimit
    package var deadlines: HTTPDeadlines

    package init(
        _ method: HTTPMethod, _ url: HTTPURL, headers: [HTTPHeader] = [], body: Data? = nil, bodyLimit: HTTPBodyLimit,
        deadlines: HTTPDeadlines
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.bodyLimit = bodyLimit
        self.deadlines = deadlines
    }
}

/// A final response of any status, redirects included.
package struct HTTPResponse: Sendable, Equatable {
    package var status: Int
    package var headers: [HTTPHeader]
    package var body: Data

    package init(status: Int, headers: [HTTPHeader], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    package var isSuccess: Bool { (200..<300).contains(status) }
    package var isRedirect: Bool { (300..<400).contains(status) }

    /// The first header of that name.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.caseInsensitiveCompare(name) == .orderedSame }?.value
    }
}
