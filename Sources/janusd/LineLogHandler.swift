import Foundation
import Logging

/// Writes one line an entry to standard error: `key=value` text or JSON.
///
/// Under journald (JOURNAL_STREAM is set) text lines carry the priority as `<n>` and no time, which the journal has.
struct LineLogHandler: LogHandler {
    enum Format: String, CaseIterable {
        case text
        case json
    }

    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let format: Format
    private let isJournal: Bool

    init(level: Logger.Level, format: Format) {
        self.logLevel = level
        self.format = format
        self.isJournal = ProcessInfo.processInfo.environment["JOURNAL_STREAM"] != nil
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        let line =
            switch format {
            case .text: text(event, fields)
            case .json: json(event, fields)
            }
        // one write a line, so that lines of several processes do not mix
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    private func text(_ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)]) -> String {
        let start = isJournal ? "<\(event.level.priority)>" : "\(Date().ISO8601Format()) \(event.level.rawValue) "
        return start + fields.reduce("\(event.message)") { "\($0) \($1.key)=\(quoted("\($1.value)"))" }
    }

    private func json(_ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)]) -> String {
        var entry = Dictionary(uniqueKeysWithValues: fields.map { ($0.key, "\($0.value)") })
        entry["time"] = Date().ISO8601Format()
        entry["level"] = event.level.rawValue
        entry["message"] = "\(event.message)"
        guard let data = try? JSONEncoder().encode(entry) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private func quoted(_ value: String) -> String {
        guard value.contains(where: { $0 == " " || $0 == "\"" || $0.isNewline }) else { return value }
        return "\"" + value.replacing("\"", with: "'").replacing("\n", with: " ") + "\""
    }
}

extension Logger.Level {
    /// syslog's.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
