import CProcess
import Foundation

/// systemd's side of the daemon: readiness, status line, watchdog. Does nothing when not started by systemd.
struct ServiceManager: Sendable {
    private let address: String?
    /// Half of WatchdogSec; nil without a watchdog.
    let watchdogSeconds: Double?

    init() {
        let environment = ProcessInfo.processInfo.environment
        address = environment["NOTIFY_SOCKET"]
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(ProcessInfo.processInfo.processIdentifier)" } ?? true
        watchdogSeconds = isOurs ? environment["WATCHDOG_USEC"].flatMap(Double.init).map { $0 / 2_000_000 } : nil
    }

    func ready() { notify("READY=1") }
    func stopping() { notify("STOPPING=1") }
    func status(_ text: String) { notify("STATUS=\(text)") }
    func alive() { notify("WATCHDOG=1") }

    private func notify(_ message: String) {
        guard let address else { return }
        // a service manager that went away is not our fault to report
        _ = unsafe janus_notify(address, message)
    }
}
