import CProcess
import Foundation
import JanusSystem
import JanusWire
import Synchronization

/// What a worker's supervisor hears: messages, then exactly one `.ended`.
enum WorkerEvent: Sendable {
    case message(WorkerMessage)
    case ended(WorkerExit)
}

/// One running janus-worker: its socket and its life.
///
/// A thread reads the socket, a serial queue writes it, and the process is killed and reaped by the reader once the
/// socket ends, so that no path leaks a descriptor or leaves a zombie.
final class WorkerProcess: Sendable {
    /// Seconds between the end of the socket, or the wish to stop, and SIGKILL.
    private static let exitSeconds = 2.0
    private static let readBytesMax = 1 << 20
    /// Workers go first when memory runs out; the supervisor stays to record it.
    fileprivate static let oomScoreAdjustment: Int32 = 500
    /// Where `janus_spawn` puts the socket in the child.
    private static let childSocket: Int32 = 3
    /// The whole environment of the child: nothing of ours is passed on.
    fileprivate static let environment = ["LANG=C.UTF-8"]

    let pid: Int32
    let events: AsyncStream<WorkerEvent>

    private let socket: Int32
    private let writer = DispatchQueue(label: "worker.write")
    /// nil once reaped: the number may then belong to another file.
    private let pidfd: Mutex<Int32?>

    static func start(_ program: String, _ settings: WorkerSettings) async throws(SupervisorError) -> WorkerProcess {
        var ours: Int32 = -1
        var theirs: Int32 = -1
        let made = unsafe janus_socketpair(&ours, &theirs)
        guard made == 0 else { throw .socket(errno: -made) }
        let socket = theirs
        let command = [program] + settings.arguments(socket: Self.childSocket)
        let (pid, pidfd) = await SpawnThread.shared.run { spawn(command, socket: socket) }
        close(theirs)
        guard pid > 0 else {
            close(ours)
            throw .spawn(path: program, errno: -pid)
        }
        return WorkerProcess(pid: pid, pidfd: pidfd, socket: ours)
    }

    private init(pid: Int32, pidfd: Int32, socket: Int32) {
        self.pid = pid
        self.socket = socket
        self.pidfd = Mutex(pidfd)
        let (events, continuation) = AsyncStream<WorkerEvent>.makeStream()
        self.events = events
        let thread = Thread { [self] in
            let violation = readMessages { continuation.yield(.message($0)) }
            continuation.yield(.ended(finish(violation)))
            continuation.finish()
        }
        thread.name = "worker.read"
        thread.start()
    }

    /// Queues a message. Errors show as the worker's end.
    func send(_ message: SupervisorMessage) {
        writer.async { [self] in
            do {
                try write(message.encoded())
            } catch {
                kill()
            }
        }
    }

    /// Asks the process to exit, and kills it when it does not; `.ended` follows.
    func stop() {
        send(.shutdown)
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.exitSeconds) { [self] in kill() }
    }

    /// SIGKILL; `.ended` follows.
    func kill() {
        pidfd.withLock { pidfd in
            guard let pidfd else { return }
            _ = janus_signal(pidfd, SIGKILL)
        }
    }

    private func write(_ data: Data) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Foundation.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            // a peer that is gone shows at the reader
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Reads until the socket ends.
    /// - Returns: the peer's protocol violation, if that is what ended it.
    private func readMessages(_ receive: (WorkerMessage) -> Void) -> WireError? {
        var decoder = MessageDecoder<WorkerMessage>()
        var buffer = [UInt8](repeating: 0, count: Self.readBytesMax)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe read(socket, bytes.baseAddress, bytes.count)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return nil }
            decoder.append(Data(buffer.prefix(count)))
            do {
                while let message = try decoder.next() { receive(message) }
            } catch {
                return error
            }
        }
    }

    /// Closes the socket, makes sure that the process ends, and reaps it.
    private func finish(_ violation: WireError?) -> WorkerExit {
        shutdown(socket, Int32(SHUT_RDWR))
        writer.async { [socket] in close(socket) }
        return pidfd.withLock { pidfd in
            guard let descriptor = pidfd else { return .status(0) }
            if violation != nil || janus_wait_exit(descriptor, Int32(Self.exitSeconds * 1000)) != 1 {
                _ = janus_signal(descriptor, SIGKILL)
            }
            var code: Int32 = 0
            var bySignal: Int32 = 0
            _ = unsafe janus_reap(descriptor, &code, &bySignal)
            close(descriptor)
            pidfd = nil
            if let violation { return .brokeProtocol(violation) }
            return bySignal != 0 ? .signal(code) : .status(code)
        }
    }
}

/// - Returns: the pid and its pidfd, or a negative errno.
private func spawn(_ command: [String], socket: Int32) -> (pid: Int32, pidfd: Int32) {
    var pidfd: Int32 = -1
    let pid = unsafe withCStrings(command) { arguments in
        unsafe withCStrings(WorkerProcess.environment) { environment in
            unsafe janus_spawn(
                command[0], arguments, environment, socket, WorkerProcess.oomScoreAdjustment, &pidfd)
        }
    }
    return (pid, pidfd)
}
