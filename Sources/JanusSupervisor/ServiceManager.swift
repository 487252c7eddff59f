import CProcess
import Foundation
import Synchronization

/// systemd's side of the daemon: readiness, status line, watchdog. Does nothing when not started by systemd.
final class ServiceManager: Sendable {
    private let address: String?
    /// Half of WatchdogSec; nil without a watchdog.
    let watchdogSeconds: Double?
    private let isReady = Atomic<Bool>(false)

    init() {
        let environment = ProcessInfo.processInfo.environment
        address = environment["NOTIFY_SOCKET"]
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(ProcessInfo.processInfo.processIdentifier)" } ?? true
        watchdogSeconds = isOurs ? environment["WATCHDOG_USEC"].flatMap(Double.init).map { $0 / 2_000_000 } : nil
    }

    func ready() {
        isReady.store(true, ordering: .releasing)
        notify("READY=1")
    }

    /// A reload begins, which `reloaded` ends. Before the service is ready it is none to the service manager.
    func reloading() {
        guard isReady.load(ordering: .acquiring) else { return }
        notify("RELOADING=1\nMONOTONIC_USEC=\(janus_monotonic_microseconds())")
    }

    func reloaded() {
        guard isReady.load(ordering: .acquiring) else { return }
        notify("READY=1")
    }

    func stopping() { notify("STOPPING=1") }
    /// - Parameter text: one line.
    func status(_ text: String) { notify("STATUS=\(text.replacing("\n", with: " "))") }
    func alive() { notify("WATCHDOG=1") }

    private func notify(_ message: String) {
        guard let address else { return }
        // a service manager that went away is not our fault to report
        _ = unsafe janus_notify(address, message)
    }
}
