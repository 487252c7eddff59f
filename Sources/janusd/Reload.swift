import JanusSupervisor
import Logging

/// What SIGHUP does: reads file and environment again, takes over what can change while jobs run, and names what cannot.
struct Reload: Sendable {
    private let file: String?
    /// What the daemon was started with.
    private let first: Settings
    /// What was taken over last.
    private var last: Settings
    private let supervisor: Supervisor
    private let log: Log
    private let logger: Logger

    /// - Parameter file: as `Settings` takes it.
    init(file: String?, first: Settings, supervisor: Supervisor, log: Log, logger: Logger) {
        self.file = file
        self.first = first
        self.last = first
        self.supervisor = supervisor
        self.log = log
        self.logger = logger
    }

    mutating func run() async {
        var read: (settings: Settings, plan: ServePlan)?
        let isDone = await supervisor.reload {
            let settings = try await Settings(file: file)
            // as a whole: of a file that serve would refuse nothing is taken
            let plan = try ServePlan(settings)
            read = (settings, plan)
            return plan.supervisor.reloaded
        }
        guard isDone, let (settings, plan) = read else { return }
        log.level = plan.logLevel
        logger.notice(
            "configuration reloaded", metadata: ["changed": "\(names(settings, since: last, isReloaded: true))"])
        last = settings
        let kept = names(settings, since: first, isReloaded: false)
        guard kept != Self.none else { return }
        logger.warning("what was changed in the configuration needs a restart", metadata: ["settings": "\(kept)"])
    }

    private static let none = "nothing"

    /// By names alone: a value may be a password.
    private func names(_ settings: Settings, since other: Settings, isReloaded: Bool) -> String {
        let different = settings.differences(from: other).filter { $0.isReloaded == isReloaded }.map(\.key)
        return different.isEmpty ? Self.none : different.joined(separator: ",")
    }
}
