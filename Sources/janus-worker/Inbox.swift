import Foundation
import JanusJob
import JanusWire

/// What has come in, for the computing thread. The reading thread fills it.
final class Inbox: @unchecked Sendable {
    // @unchecked: everything below `condition` is touched only while it is locked.
    private let connection: Connection
    private let condition = NSCondition()
    private var state = InboxState()

    init(connection: Connection) { self.connection = connection }

    /// Starts the thread that reads. The process ends with the stream.
    func startReading() {
        let thread = Thread { [self] in readAll() }
        thread.name = "socket"
        thread.start()
    }

    /// The next whole job that may begin now; waits for it when nothing else is to be done.
    /// - Parameter isIdle: no job is computed.
    func next(isIdle: Bool) -> Assignment? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let assignment = state.begin() { return assignment }
            guard isIdle else { return nil }
            condition.wait()
        }
    }

    /// Whether the supervisor wants this running job to stop.
    func isCanceled(_ run: JobRun) -> Bool {
        condition.withLock { state.isCanceled(run) }
    }

    /// A running job's end has been sent.
    func finish(_ run: JobRun) {
        condition.withLock { state.finish(run) }
    }

    private func readAll() {
        var decoder = MessageDecoder<SupervisorMessage>()
        while true {
            let bytes = connection.read()
            if bytes.isEmpty { WorkerExit.done.end() }
            decoder.append(bytes)
            do throws(WireError) {
                while let message = try decoder.next() { try handle(message) }
            } catch {
                WorkerExit.malformedFrame.end(error.description)
            }
        }
    }

    private func handle(_ message: SupervisorMessage) throws(WireError) {
        condition.lock()
        defer { condition.unlock() }
        switch try state.receive(message) {
        case .wait: break
        case .wake: condition.signal()
        case .answerStopped(let run): connection.send(.stopped(run))
        case .exit: WorkerExit.done.end()
        }
    }
}
