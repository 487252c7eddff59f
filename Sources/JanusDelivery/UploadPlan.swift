import JanusHTTP
import JanusJob

/// The sinks of one job, judged as far as that goes without reaching them.
struct UploadPlan: Equatable {
    var storesInDatabase: Bool
    /// Below the file root: the components of each directory's path that follow it, with the directory's URL.
    var directories: [Directory] = []
    var collections: [HTTPURL] = []
    /// The i-th belongs to the i-th object.
    var exact: [HTTPURL] = []

    struct Directory: Equatable {
        var components: [String]
        /// `file:///…` without a slash at its end.
        var url: String
    }

    init(_ sinks: [String], objectCount: Int, policy: DeliveryPolicy) throws(JobError) {
        storesInDatabase = sinks.isEmpty
        for text in sinks {
            switch try Sink.parse(text) {
            case .database:
                storesInDatabase = true
            case .directory(let path):
                directories.append(
                    Directory(components: try Self.components(of: path, policy), url: Self.withoutSlash(text)))
            case .collection(let url):
                collections.append(try Self.reachable(url, policy))
            case .exact(let url):
                exact.append(try Self.reachable(url, policy))
            }
        }
        guard exact.isEmpty || exact.count == objectCount else {
            throw JobError(
                .invalidRequest,
                "\(exact.count) exact upload URLs for \(objectCount) outputs; give one each, or a URL that ends in '/'")
        }
    }

    private static func reachable(_ url: HTTPURL, _ policy: DeliveryPolicy) throws(JobError) -> HTTPURL {
        guard url.isSecure || policy.allowHTTP else {
            throw JobError(.uploadForbidden, "upload to \(HTTPError.forbiddenScheme(url: url.description))")
        }
        return url
    }

    /// What follows the file root in `path`; nothing in it leads out again.
    private static func components(of path: String, _ policy: DeliveryPolicy) throws(JobError) -> [String] {
        guard let root = policy.fileRoot else {
            throw JobError(.uploadForbidden, "file sinks are not configured on this host")
        }
        let rootParts = root.split(separator: "/")
        let parts = path.split(separator: "/")
        guard parts.starts(with: rootParts), !parts.contains(".."), !parts.contains(".") else {
            throw JobError(.uploadForbidden, "a file sink must lie in \(root), without '.' or '..' in its path")
        }
        return parts.dropFirst(rootParts.count).map(String.init)
    }

    private static func withoutSlash(_ text: String) -> String {
        var text = Substring(text)
        while text.hasSuffix("/") { text.removeLast() }
        return String(text)
    }
}
