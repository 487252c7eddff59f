import Configuration
import Foundation
import SystemPackage
import Yams

/// The values of all settings: environment before file before default. Every mistake is an error that names the key.
struct Settings {
    static let defaultFile = "/etc/janusd/janusd.yaml"

    /// In order of precedence.
    private let providers: [any ConfigProvider]

    /// - Parameter file: nil takes `/etc/janusd/janusd.yaml` if it is there.
    init(file: String?, environment: [String: String] = ProcessInfo.processInfo.environment) async throws(SettingsError)
    {
        let known = Set(Setting.all.map(\.variable))
        for variable in environment.keys where variable.hasPrefix("JANUSD_") && !known.contains(variable) {
            throw .unknown(key: variable, where: "the environment", suggestion: nearest(variable, among: known))
        }
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "janusd")
        ]
        let path = file ?? Self.defaultFile
        if file != nil || FileManager.default.fileExists(atPath: path) {
            try Self.checkKeys(of: path)
            do {
                providers.append(try await FileProvider<YAMLSnapshot>(filePath: FilePath(path)))
            } catch {
                throw .unreadable(path: path, reason: "\(error)")
            }
        }
        self.providers = providers
    }

    func text(_ key: String) throws(SettingsError) -> String? {
        let setting = Self.setting(key)
        guard case .text(let fallback) = setting.value else { preconditionFailure("\(key) is not a text") }
        guard let content = try content(of: setting, type: .string) else { return fallback }
        guard case .string(let text) = content, !text.isEmpty else {
            throw .invalid(key: key, value: "''", expected: "a text that is not empty")
        }
        return text
    }

    func requiredText(_ key: String) throws(SettingsError) -> String {
        guard let text = try text(key) else {
            throw .missing(key: key, variable: Self.setting(key).variable, file: Self.defaultFile)
        }
        return text
    }

    func texts(_ key: String) throws(SettingsError) -> [String] {
        let setting = Self.setting(key)
        guard case .texts(let fallback) = setting.value else { preconditionFailure("\(key) is not a list") }
        guard case .stringArray(let texts)? = try content(of: setting, type: .stringArray) else { return fallback }
        return texts
    }

    func number(_ key: String) throws(SettingsError) -> Double {
        let setting = Self.setting(key)
        guard case .number(let fallback, let range) = setting.value else { preconditionFailure("\(key) is no number") }
        guard case .double(let number)? = try content(of: setting, type: .double) else { return fallback }
        guard range.contains(number) else {
            throw .invalid(key: key, value: "\(number)", expected: "\(range.lowerBound) … \(range.upperBound)")
        }
        return number
    }

    func whole(_ key: String) throws(SettingsError) -> Int {
        let setting = Self.setting(key)
        guard case .whole(let fallback, let range) = setting.value else { preconditionFailure("\(key) is not whole") }
        guard case .int(let number)? = try content(of: setting, type: .int) else { return fallback }
        guard range.contains(number) else {
            throw .invalid(key: key, value: "\(number)", expected: "\(range.lowerBound) … \(range.upperBound)")
        }
        return number
    }

    func flag(_ key: String) throws(SettingsError) -> Bool {
        let setting = Self.setting(key)
        guard case .flag(let fallback) = setting.value else { preconditionFailure("\(key) is not a flag") }
        guard case .bool(let flag)? = try content(of: setting, type: .bool) else { return fallback }
        return flag
    }

    /// Settings whose values differ, in the order of `Setting.all`.
    func differences(from other: Settings) -> [Setting] {
        Setting.all.filter { setting in value(of: setting) != other.value(of: setting) }
    }

    /// nil too for what cannot be read, which whoever uses the setting has said.
    private func value(of setting: Setting) -> ConfigContent? {
        do { return try content(of: setting, type: setting.value.type) } catch { return nil }
    }

    /// - Precondition: `key` stands in `Setting.all`: the callers are code, not input.
    private static func setting(_ key: String) -> Setting {
        guard let setting = Setting.all.first(where: { $0.key == key }) else {
            preconditionFailure("\(key) is not a setting")
        }
        return setting
    }

    private func content(of setting: Setting, type: ConfigType) throws(SettingsError) -> ConfigContent? {
        let key = AbsoluteConfigKey(setting.key.split(separator: ".").map(String.init))
        for provider in providers {
            do {
                if let value = try provider.value(forKey: key, type: type).value { return value.content }
            } catch {
                throw .invalid(key: setting.key, value: "what \(provider.providerName) has", expected: "a \(type)")
            }
        }
        return nil
    }

    /// A misspelt key must not pass as a default.
    private static func checkKeys(of path: String) throws(SettingsError) {
        let keys: [String]
        do {
            let document = try Yams.load(yaml: String(contentsOfFile: path, encoding: .utf8))
            keys = flatten(document ?? [String: Any](), prefix: "")
        } catch {
            throw .unreadable(path: path, reason: "\(error)")
        }
        let known = Set(Setting.all.map(\.key))
        for key in keys where !known.contains(key) {
            // an empty section, with all its keys commented out
            if known.contains(where: { $0.hasPrefix(key + ".") }) { continue }
            throw .unknown(key: key, where: path, suggestion: nearest(key, among: known))
        }
    }

    private static func flatten(_ node: Any, prefix: String) -> [String] {
        guard let mapping = node as? [String: Any] else { return [prefix] }
        return mapping.flatMap { flatten($0.value, prefix: prefix.isEmpty ? $0.key : "\(prefix).\($0.key)") }
    }
}

extension Setting.Value {
    fileprivate var type: ConfigType {
        switch self {
        case .text: .string
        case .texts: .stringArray
        case .number: .double
        case .whole: .int
        case .flag: .bool
        }
    }
}

/// A configuration that cannot be used as it is.
enum SettingsError: Error, CustomStringConvertible {
    case unknown(key: String, where: String, suggestion: String?)
    case missing(key: String, variable: String, file: String)
    case invalid(key: String, value: String, expected: String)
    case unreadable(path: String, reason: String)

    var description: String {
        switch self {
        case .unknown(let key, let place, let suggestion):
            "unknown setting '\(key)' in \(place)"
                + (suggestion.map { "; did you mean '\($0)'?" } ?? "; `janusd settings` lists them all")
        case .missing(let key, let variable, let file):
            "\(key) is not set: put it into \(file) (or --config FILE), or set \(variable)"
        case .invalid(let key, let value, let expected):
            "\(key) is \(value), expected \(expected)"
        case .unreadable(let path, let reason):
            "cannot read the configuration \(path): \(reason)"
        }
    }
}

/// The known name that shares the longest start with `name`, if they share enough to be a likely slip.
private func nearest(_ name: String, among known: Set<String>) -> String? {
    let scored = known.map { other in
        (name: other, shared: other.commonPrefix(with: name).count, difference: abs(other.count - name.count))
    }
    // The longest common beginning; of equals the one of the nearest length.
    let best = scored.max { ($0.shared, -$0.difference, $1.name) < ($1.shared, -$1.difference, $0.name) }
    guard let best else { return nil }
    return best.shared >= 4 ? best.name : nil
}
