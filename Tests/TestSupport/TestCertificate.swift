package import Foundation

/// A self-signed certificate for 127.0.0.1, made by the openssl command; its files go with this object.
package final class TestCertificate: Sendable {
    package let certificate: URL
    package let key: URL
    private let folder: URL

    package init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "certificate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        certificate = folder.appending(path: "certificate.pem")
        key = folder.appending(path: "key.pem")
        let result = try TestProcess.run(
            URL(filePath: "/usr/bin/env"),
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=receiver"
                .split(separator: " ").map(String.init)
                + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key.path, "-out", certificate.path])
        guard result.status == 0 else {
            throw HTTPReceiver.Failure(description: "openssl req ended with \(result.status): \(result.errors)")
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
