import Foundation
import Logging
import Synchronization

/// What all loggers of the daemon share: the level, which a reload changes, and the way out.
final class Log: Sendable {
    let format: LogFormat
    let output: LogOutput
    private let sharedLevel: Mutex<Logger.Level>

    init(_ format: LogFormat, level: Logger.Level, descriptor: Int32 = STDERR_FILENO) {
        self.format = format
        output = LogOutput(descriptor) { lost in
            format.line(
                .warning, "log lines lost: nobody read them, or they could not be written", [("lines", "\(lost)")])
        }
        sharedLevel = Mutex(level)
    }

    var level: Logger.Level {
        get { sharedLevel.withLock { $0 } }
        set { sharedLevel.withLock { $0 = newValue } }
    }
}

/// Writes one line an entry.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    private let shared: Log
    /// Of this logger alone.
    private var ownLevel: Logger.Level?

    init(_ shared: Log) { self.shared = shared }

    var logLevel: Logger.Level {
        get { ownLevel ?? shared.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
            .map { (name: $0.key, value: "\($0.value)") }.sorted { $0.name < $1.name }
        shared.output.write(shared.format.line(event.level, "\(event.message)", fields))
    }
}

/// `key=value` text or JSON.
///
/// Under journald (JOURNAL_STREAM is set) text lines carry the priority as `<n>` and no time, which the journal has.
struct LogFormat: Sendable {
    enum Form: String, CaseIterable {
        case text
        case json
    }

    typealias Field = (name: String, value: String)

    private let form: Form
    private let isJournal = ProcessInfo.processInfo.environment["JOURNAL_STREAM"] != nil

    init(_ form: Form) { self.form = form }

    /// One line, without its end.
    func line(_ level: Logger.Level, _ message: String, _ fields: [Field]) -> String {
        switch form {
        case .text: text(level, message, fields)
        case .json: json(level, message, fields)
        }
    }

    private func text(_ level: Logger.Level, _ message: String, _ fields: [Field]) -> String {
        let start = isJournal ? "<\(level.priority)>" : "\(Date().ISO8601Format()) \(level.rawValue) "
        return start + fields.reduce(oneLine(message)) { "\($0) \($1.name)=\(quoted($1.value))" }
    }

    private func json(_ level: Logger.Level, _ message: String, _ fields: [Field]) -> String {
        var entry = Dictionary(fields.map { ($0.name, $0.value) }, uniquingKeysWith: { _, last in last })
        entry["time"] = Date().ISO8601Format()
        entry["level"] = level.rawValue
        entry["message"] = message
        guard let data = try? JSONEncoder().encode(entry) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private func quoted(_ value: String) -> String {
        let value = oneLine(value)
        guard value.contains(where: { $0 == " " || $0 == "\"" }) else { return value }
        return "\"" + value.replacing("\"", with: "'") + "\""
    }

    private func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
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
