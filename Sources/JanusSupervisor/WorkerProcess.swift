import CProcess
import Foundation
import JanusSystem
import JanusWire
import Synchronization

/// What a worker's supervisor hears: messages and lines, then exactly one `.ended`.
enum WorkerEvent: Sendable {
    case message(WorkerMessage)
    /// Of its standard error.
    case said(String)
    case ended(WorkerExit)
}

/// One running janus-worker: its socket and its life.
///
/// A thread reads the socket and its standard error, a serial queue writes the socket, and the process is killed and reaped by the
/// reader once the socket ends, so that no path leaks a descriptor or leaves a zombie. What it says is judged where it is
/// read, so that nothing that it sends can pile up.
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
    private let contract: Mutex<WorkerContract>

    static func start(_ program: String, _ settings: WorkerSettings) async throws(SupervisorError) -> WorkerProcess {
        let (ours, theirs) = try pair { unsafe janus_socketpair(&$0, &$1) }
        let (errors, output): (Int32, Int32)
        do throws(SupervisorError) {
            (errors, output) = try pair { unsafe janus_pipe(&$0, &$1) }
        } catch {
            close(ours)
            close(theirs)
            throw error
        }
        let command = [program] + settings.arguments(socket: Self.childSocket)
        let (pid, pidfd) = await SpawnThread.shared.run { spawn(command, socket: theirs, output: output) }
        close(theirs)
        close(output)
        guard pid > 0 else {
            close(ours)
            close(errors)
            throw .spawn(path: program, errno: -pid)
        }
        return WorkerProcess(pid: pid, pidfd: pidfd, socket: ours, errors: errors, jobsMax: settings.jobs)
    }

    private static func pair(
        _ make: (inout Int32, inout Int32) -> Int32
    ) throws(SupervisorError) -> (Int32, Int32) {
        var (first, second): (Int32, Int32) = (-1, -1)
        let made = make(&first, &second)
        guard made == 0 else { throw .descriptors(errno: -made) }
        return (first, second)
    }

    private init(pid: Int32, pidfd: Int32, socket: Int32, errors: Int32, jobsMax: Int) {
        self.pid = pid
        self.socket = socket
        self.pidfd = Mutex(pidfd)
        self.contract = Mutex(WorkerContract(jobsMax: jobsMax))
        let (events, continuation) = AsyncStream<WorkerEvent>.makeStream()
        self.events = events
        let thread = Thread { [self] in
            var lines = WorkerLines()
            let violation = listen(errors, &lines) { continuation.yield($0) }
            let exit = finish(violation)
            for line in rest(errors, &lines) { continuation.yield(.said(line)) }
            close(errors)
            continuation.yield(.ended(exit))
            continuation.finish()
        }
        thread.name = "worker.read"
        thread.start()
    }

    /// Queues a message. Errors show as the worker's end.
    func send(_ message: SupervisorMessage) {
        // noted before it can be answered
        contract.withLock { $0.told(message) }
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
    private func listen(_ errors: Int32, _ lines: inout WorkerLines, _ tell: (WorkerEvent) -> Void) -> WireError? {
        var decoder = MessageDecoder<WorkerMessage>()
        var buffer = [UInt8](repeating: 0, count: Self.readBytesMax)
        var sources = [socket, errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            guard unsafe poll(&sources, nfds_t(sources.count), -1) > 0 else { continue }
            if sources[1].revents != 0 {
                let bytes = Self.read(errors, &buffer)
                if bytes.isEmpty { sources[1].fd = -1 }
                for line in lines.append(bytes, now: BootClock.now) { tell(.said(line)) }
            }
            guard sources[0].revents != 0 else { continue }
            let bytes = Self.read(socket, &buffer)
            if bytes.isEmpty { return nil }
            decoder.append(Data(bytes))
            do {
                while let message = try decoder.next() {
                    if try contract.withLock({ contract throws(WireError) in try contract.judge(message) }) {
                        tell(.message(message))
                    }
                }
            } catch {
                return error
            }
        }
    }

    /// What has come; empty at the end.
    private static func read(_ descriptor: Int32, _ buffer: inout [UInt8]) -> ArraySlice<UInt8> {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Foundation.read(descriptor, bytes.baseAddress, bytes.count)
            }
            if count < 0 && errno == EINTR { continue }
            return buffer.prefix(max(count, 0))
        }
    }

    /// What a process that has ended left in the pipe.
    private func rest(_ errors: Int32, _ lines: inout WorkerLines) -> [String] {
        var said: [String] = []
        var buffer = [UInt8](repeating: 0, count: Self.readBytesMax)
        var source = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&source, 1, 0) > 0 {
            let bytes = Self.read(errors, &buffer)
            if bytes.isEmpty { break }
            said += lines.append(bytes, now: BootClock.now)
        }
        return said + lines.finish(now: BootClock.now)
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
private func spawn(_ command: [String], socket: Int32, output: Int32) -> (pid: Int32, pidfd: Int32) {
    var pidfd: Int32 = -1
    let pid = unsafe withCStrings(command) { arguments in
        unsafe withCStrings(WorkerProcess.environment) { environment in
            unsafe janus_spawn(
                command[0], arguments, environment, socket, output, WorkerProcess.oomScoreAdjustment, &pidfd)
        }
    }
    return (pid, pidfd)
}
