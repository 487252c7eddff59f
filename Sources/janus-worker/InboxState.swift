import Foundation
import JanusJob
import JanusWire

/// A job with all its pictures.
struct Assignment: Equatable {
    var start: JobStart
    var inputs: [Data]

    var isComplete: Bool { inputs.count == start.inputCount }
}

/// The decisions of the inbox, without threads.
struct InboxState {
    enum Action: Equatable {
        case wait
        case wake
        case answerStopped(JobRun)
        case exit
    }

    /// In order of arrival.
    private var waiting: [Assignment] = []
    /// Begun and not finished; true when it is to stop.
    private var running: [JobRun: Bool] = [:]
    /// The one that is to be alone, while it runs.
    private var alone: JobRun?

    /// - Throws: `malformed` for inputs out of order or too large together and for a run that is here already.
    mutating func receive(_ message: SupervisorMessage) throws(WireError) -> Action {
        switch message {
        case .start(let start):
            guard running[start.run] == nil, !waiting.contains(where: { $0.start.run == start.run }) else {
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
            let bytes = waiting[position].inputs.reduce(0) { $0 + $1.count }
            guard bytes <= inputBytesMax else {
                throw .malformed(
                    type: "input", reason: "the inputs of run \(run) have \(bytes) bytes, more than \(inputBytesMax)")
            }
            return waiting[position].isComplete ? .wake : .wait
        case .cancel(let run):
            if running[run] != nil {
                running[run] = true
            } else if let position = waiting.firstIndex(where: { $0.start.run == run }) {
                waiting.remove(at: position)
                return .answerStopped(run)
            }
            return .wait
        case .shutdown:
            return .exit
        }
    }

    /// The first whole job begins, unless one of the two wants to be alone: it or one that runs.
    mutating func begin() -> Assignment? {
        guard alone == nil, let position = waiting.firstIndex(where: \.isComplete) else { return nil }
        let isAlone = waiting[position].start.isAlone
        if isAlone, !running.isEmpty { return nil }
        let assignment = waiting.remove(at: position)
        running[assignment.start.run] = false
        if isAlone { alone = assignment.start.run }
        return assignment
    }

    func isCanceled(_ run: JobRun) -> Bool { running[run] ?? false }

    mutating func finish(_ run: JobRun) {
        running[run] = nil
        if alone == run { alone = nil }
    }
}
