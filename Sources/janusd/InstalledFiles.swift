import Foundation

/// Where the files of this release lie beside the running program.
enum InstalledFiles {
    private static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    static func program(_ name: String) -> String { folder.appending(path: name).path }

    /// Where this service or user may keep what can be made again; nil where the environment does not say.
    static func cacheDirectory(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
        func set(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
        // systemd lists several by colons
        if let given = set("CACHE_DIRECTORY")?.split(separator: ":").first { return String(given) }
        return (set("XDG_CACHE_HOME") ?? set("HOME").map { $0 + "/.cache" }).map { $0 + "/janusd" }
    }

    /// The migrations of an installation, or of the checkout that the build is in.
    static func migrations() throws(SettingsError) -> String {
        try find("Migrations", inCheckout: "Migrations", key: "--directory")
    }

    /// The checkpoint of janus-nano, the small model that comes with janusd.
    static func smallModel() throws(SettingsError) -> String {
        try find("models/" + smallModelName, inCheckout: "Deploy/models/" + smallModelName, key: "models")
    }

    static let smallModelName = "janus-nano"

    private static func find(
        _ installed: String, inCheckout checkedOut: String, key: String
    ) throws(SettingsError) -> String {
        let candidates = [installed, "../../../" + checkedOut, "../../" + checkedOut]
            .map { folder.appending(path: $0).standardizedFileURL.path }
        guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw .invalid(key: key, value: "not given", expected: "one of " + candidates.joined(separator: ", "))
        }
        return found
    }
}
