import Foundation
package import JanusHTTP
package import JanusJob

/// A place that outputs go to, as one element of `upload_to` names it.
package enum Sink: Sendable, Equatable {
    /// `db:`: the bytes go into the row, in the finishing transaction.
    case database
    /// `file:///directory`: an absolute path, decoded.
    case directory(path: String)
    /// `http(s)://…/`: each object under its own name behind the path.
    case collection(HTTPURL)
    /// Another `http(s)` URL: exactly one object, as presigned URLs are.
    case exact(HTTPURL)

    /// - Throws: `invalidRequest` for what names no place, `uploadForbidden` for a scheme that is not served. Neither
    ///   repeats the text, which may be presigned.
    package static func parse(_ text: String) throws(JobError) -> Sink {
        let scheme = text.prefix { $0 != ":" }.lowercased()
        switch scheme {
        case "db" where text.count == 3:
            return .database
        case "file":
            guard text.hasPrefix("file:///"), let path = text.dropFirst(7).removingPercentEncoding,
                !path.utf8.contains(0)
            else { throw JobError(.invalidRequest, "a file sink must be file:/// and the path of a directory") }
            return .directory(path: path)
        case "http", "https":
            do {
                let url = try HTTPURL(text)
                return url.path.hasSuffix("/") ? .collection(url) : .exact(url)
            } catch {
                throw JobError(.invalidRequest, "upload to \(error)")
            }
        default:
            throw JobError(
                .uploadForbidden, "sinks are db:, file:///…, https://… or http://…, not '\(scheme.prefix(16)):'")
        }
    }
}
