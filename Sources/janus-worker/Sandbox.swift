import CSandbox

/// The worker's renunciation of everything but computing; see CSandbox.
enum Sandbox {
    /// Ends the process where the kernel has no such thing: running without would be silent.
    /// - Parameter moreBytes: memory that the process may take beside what it has.
    static func enter(moreBytes: Int) {
        var message = [CChar](repeating: 0, count: JANUS_SANDBOX_MESSAGE_BYTES)
        guard unsafe janus_sandbox_enter(UInt64(moreBytes), &message) == 0 else {
            let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            WorkerExit.configuration.end("cannot enter the sandbox: \(text)")
        }
    }

    static func check() throws {
        enter(moreBytes: 1 << 30)
        if let escape = unsafe janus_sandbox_escape() {
            WorkerExit.configuration.end("the sandbox does not hold: \(unsafe String(cString: escape)) was possible")
        }
        print(
            "the sandbox holds: no files, sockets, processes, tracing, signals or executable memory, nor memory without end"
        )
    }
}
