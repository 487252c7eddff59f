import Dispatch
package import Foundation

/// A real HTTP server on 127.0.0.1 at a port of its own: `receiver.py` beside this file, whose head lists its places.
///
/// A process of one's own ends with this object, or with the test process; the shared one only with that.
package final class HTTPReceiver: Sendable {
    package let port: Int
    /// Where its log and what was PUT lie.
    package let folder: URL
    private let base: String
    /// The end of its standard input ends it; nil in a room of the shared one.
    private let own: TestProcess?
    private static let shared = Task { try await HTTPReceiver.start() }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// The process that all tests share, seen through a log and a folder of one's own.
    package static func room() async throws -> HTTPReceiver { HTTPReceiver(roomOf: try await shared.value) }

    private init(roomOf receiver: HTTPReceiver) {
        let name = UUID().uuidString.lowercased()
        port = receiver.port
        folder = receiver.folder.appending(path: name)
        base = "\(receiver.base)/~\(name)"
        own = nil
    }

    /// A process of one's own.
    /// - Parameter tls: PEM files of a certificate and its key; nil speaks plain http.
    package static func start(tls: (certificate: URL, key: URL)? = nil) async throws -> HTTPReceiver {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try HTTPReceiver(tls: tls) })
            }
        }
    }

    private init(tls: (certificate: URL, key: URL)?) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "receiver-\(UUID().uuidString)")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "receiver.py")
        let process = try TestProcess(
            URL(filePath: "/usr/bin/env"),
            ["python3", script.path, "--folder", folder.path, "--remove"]
                + (tls.map { ["--tls", $0.certificate.path, $0.key.path] } ?? []), input: .held)
        try process.wait("the port", within: TestProcess.secondsMax) { output, _ in output.contains(UInt8(ascii: "\n"))
        }
        let text = String(process.output.prefix { $0 != "\n" })
        guard let port = Int(text) else {
            throw Failure(description: "receiver.py said '\(text)' instead of its port: \(process.errors)")
        }
        self.port = port
        base = "\(tls == nil ? "http" : "https")://127.0.0.1:\(port)"
        own = process
    }

    deinit { stop() }

    /// Ends the process, which then removes its folder; nothing in a room.
    package func stop() {
        try? own?.closeInput()
    }

    /// - Parameter path: with its slash and, if it has one, its query.
    package func url(_ path: String) -> String { base + path }

    /// What came in so far, in order.
    /// - Parameter path: only those whose path begins so.
    package func requests(_ path: String = "/") throws -> [ReceivedRequest] {
        let log = folder.appending(path: "requests.jsonl")
        guard FileManager.default.fileExists(atPath: log.path) else { return [] }
        let whole = try Data(contentsOf: log)
        // a line that is still being written has no end yet
        let lines = whole.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        return try lines.map { try JSONDecoder().decode(ReceivedRequest.self, from: $0) }
            .filter { $0.path.hasPrefix(path) }
    }

    /// Waits until at least `count` requests have come in.
    package func waitForRequests(
        _ path: String = "/", count: Int = 1, within seconds: Double = 30
    ) async throws -> [ReceivedRequest] {
        try await waitUntil("\(count) requests came to \(path)", seconds: seconds) {
            try requests(path).count >= count
        }
        return try requests(path)
    }

    /// What was PUT to `/put/<name>`; nil when nothing was.
    package func stored(_ name: String) throws -> Data? {
        let file = folder.appending(path: "put/\(name)")
        return FileManager.default.fileExists(atPath: file.path) ? try Data(contentsOf: file) : nil
    }
}

/// One request as the receiver logged it.
package struct ReceivedRequest: Decodable, Sendable {
    package let method: String
    package let path: String
    package let query: String
    /// Names in lower case.
    package let headers: [String: String]
    package let bodyByteCount: Int
    package let bodySHA256: String
    /// Its first 64 KiB.
    package let body: Data

    enum CodingKeys: String, CodingKey {
        case method, path, query, headers
        case bodyByteCount = "body_bytes"
        case bodySHA256 = "body_sha256"
        case body = "body_base64"
    }
}
