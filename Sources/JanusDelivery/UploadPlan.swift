import JanusHTTP
import JanusJob

/// The sinks of one job, parsed and judged as far as that goes without reaching them: what a run is delivered to.
package struct UploadPlan: Sendable, Equatable {
    let outputCount: Int
    let storesInDatabase: Bool
    let directories: [Directory]
    let collections: [HTTPURL]
    /// The i-th belongs to the i-th output.
    let exact: [HTTPURL]

    struct Directory: Equatable {
        /// The file root.
        var root: String
        /// Of the directory's path, what follows the root.
        var components: [String]
        /// `file:///…` without a slash at its end.
        var url: String
    }

    /// What a delivery reaches; nothing where the database alone keeps the outputs.
    package var hosts: Set<String> {
        Set((collections + exact).map(\.origin) + (directories.isEmpty ? [] : ["file:"]))
    }

    /// See `Uploader.plan`.
    init(_ sinks: [String], outputCount: Int, policy: DeliveryPolicy) throws(JobError) {
        var storesInDatabase = sinks.isEmpty
        var directories: [Directory] = []
        var collections: [HTTPURL] = []
        var exact: [HTTPURL] = []
        for text in sinks {
            switch try Sink.parse(text) {
            case .database:
                storesInDatabase = true
            case .directory(let path):
                directories.append(try Self.directory(path, url: text, policy))
            case .collection(let url):
                collections.append(try Self.reachable(url, policy))
            case .exact(let url):
                exact.append(try Self.reachable(url, policy))
            }
        }
        guard exact.isEmpty || exact.count == outputCount else {
            throw JobError(
                .invalidRequest,
                "\(exact.count) exact upload URLs for \(outputCount) outputs; give one each, or a URL that ends in '/'")
        }
        self.outputCount = outputCount
        self.storesInDatabase = storesInDatabase
        self.directories = directories
        self.collections = collections
        self.exact = exact
    }

    private static func reachable(_ url: HTTPURL, _ policy: DeliveryPolicy) throws(JobError) -> HTTPURL {
        guard url.isSecure || policy.allowHTTP else {
            throw JobError(.uploadForbidden, "upload to \(HTTPError.forbiddenScheme(url: url.description))")
        }
        return url
    }

    /// In the file root; nothing in its path leads out again.
    static func directory(_ path: String, url: String, _ policy: DeliveryPolicy) throws(JobError) -> Directory {
        guard let root = policy.fileRoot else {
            throw JobError(.uploadForbidden, "file sinks are not configured on this host")
        }
        let rootParts = root.split(separator: "/")
        let parts = path.split(separator: "/")
        guard parts.starts(with: rootParts), !parts.contains(".."), !parts.contains(".") else {
            throw JobError(.uploadForbidden, "a file sink must lie in \(root), without '.' or '..' in its path")
        }
        return Directory(
            root: root, components: parts.dropFirst(rootParts.count).map(String.init), url: withoutSlash(url))
    }

    private static func withoutSlash(_ text: String) -> String {
        var text = Substring(text)
        while text.hasSuffix("/") { text.removeLast() }
        return String(text)
    }
}
