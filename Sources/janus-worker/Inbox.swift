import Foundation
import JanusJob
import JanusWire

/// A job with all its pictures.
struct Assignment: Equatable {
    var start: JobStart
    var inputs: [Data]
}

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

    /// Waits for the next whole job.
    func next() -> Assignment {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let assignment = state.begin() { return assignment }
            condition.wait()
        }
    }

    /// Whether the supervisor wants the job that is computed to stop.
    var isCurrentCanceled: Bool {
        condition.withLock { state.isCurrentCanceled }
    }

    /// The current job's end has been sent.
    func finishCurrent() {
        condition.withLock { state.finishCurrent() }
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

/// The decisions of the inbox, without threads.
struct InboxState {
    enum Action: Equatable {
        case wait
        case wake
        case answerStopped(JobRun)
        case exit
    }

    private var waiting: [Assignment] = []
    private var current: JobRun?
    private(set) var isCurrentCanceled = false

    /// - Throws: `malformed` for inputs out of order and for a run that is here already.
    mutating func receive(_ message: SupervisorMessage) throws(WireError) -> Action {
        switch message {
        case .start(let start):
            guard current != start.run, !waiting.contains(where: { $0.start.run == start.run }) else {
                throw .malformed(type: "start", reason: "run \(start.run) is here already")
            }
            waiting.append(Assignment(start: start, inputs: []))
            return start.inputCount == 0 ? .wake : .wait
        case .input(let run, let index, let data):
            // A canceled job's inputs may still be under way.
            guard let position = waiting.firstIndex(where: { $0.start.run == run }) else { return .wait }
            let expected = waiting[position].inputs.count
            guard index == expected, index < waiting[position].start.inputCount else {
                throw .malformed(
                    type: "input",
                    reason:
                        "index \(index) of run \(run), expected \(expected) of \(waiting[position].start.inputCount)")
            }
            waiting[position].inputs.append(data)
            return waiting[position].isComplete ? .wake : .wait
        case .cancel(let run):
            if current == run {
                isCurrentCanceled = true
            } else if let position = waiting.firstIndex(where: { $0.start.run == run }) {
                waiting.remove(at: position)
                return .answerStopped(run)
            }
            return .wait
        case .shutdown:
            return .exit
        }
    }

    /// The first whole job becomes the current one.
    mutating func begin() -> Assignment? {
        guard current == nil, let position = waiting.firstIndex(where: \.isComplete) else { return nil }
        let assignment = waiting.remove(at: position)
        current = assignment.start.run
        isCurrentCanceled = false
        return assignment
    }

    mutating func finishCurrent() {
        current = nil
        isCurrentCanceled = false
    }
}

extension Assignment {
    var isComplete: Bool { inputs.count == start.inputCount }
}
