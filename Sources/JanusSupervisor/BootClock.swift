import CProcess

/// Seconds since boot, time asleep and stopped included: the clock by which a host judges its own leases.
///
/// A process that was stopped and continued sees that time has passed; wall clocks can be set, this one cannot.
enum BootClock {
    static var now: Double { janus_boot_seconds() }
}
