import JanusSystem
package import JanusWire

/// What can keep a supervisor or one of its workers from running.
package enum SupervisorError: Error, CustomStringConvertible {
    case spawn(path: String, errno: Int32)
    /// Descriptors or threads do not suffice for the settings.
    case limits(reason: String)
    case descriptors(errno: Int32)

    package var description: String {
        switch self {
        case .spawn(let path, let errno):
            "cannot start the worker \(path): \(String(errno: errno)); set workers.program to the janus-worker of this release"
        case .limits(let reason): reason
        case .descriptors(let errno):
            "cannot make a socket and a pipe for a worker: \(String(errno: errno))"
        }
    }
}

/// How a worker process ended.
package enum WorkerExit: Sendable, Equatable, CustomStringConvertible {
    case status(Int32)
    case signal(Int32)
    /// It broke the protocol and was killed.
    case brokeProtocol(WireError)

    package var description: String {
        switch self {
        case .status(let code): "exit status \(code)"
        case .signal(let number): "signal \(number)"
        case .brokeProtocol(let error): "protocol error: \(error)"
        }
    }
}
