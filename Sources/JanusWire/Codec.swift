package import Foundation
import JanusJob

/// A message that travels as one frame.
package protocol WireMessage: Sendable {
    func encoded() throws(WireError) -> Data
    /// - Throws: `WireError` for anything that `encoded()` of this protocol version cannot have produced.
    init(type: UInt16, metadata: Data, payload: Data) throws(WireError)
}

/// Turns a byte stream into messages of one direction.
package struct MessageDecoder<Message: WireMessage> {
    private var frames = FrameDecoder()

    package init() {}

    package mutating func append(_ bytes: Data) { frames.append(bytes) }

    /// The next whole message, or nil until more bytes come.
    package mutating func next() throws(WireError) -> Message? {
        guard let frame = try frames.next() else { return nil }
        return try Message(type: frame.type, metadata: frame.metadata, payload: frame.payload)
    }
}

private struct InputHeader: Codable {
    var run: JobRun
    var index: Int
}

private struct OutputEnvelope: Codable {
    var run: JobRun
    var header: OutputHeader
}

private struct CompletionEnvelope: Codable {
    var run: JobRun
    var completion: JobCompletion
}

private struct FailureEnvelope: Codable {
    var run: JobRun
    var error: JobError
}

private struct Nothing: Codable {}

extension SupervisorMessage: WireMessage {
    package func encoded() throws(WireError) -> Data {
        switch self {
        case .start(let start): try frame(1, start)
        case .input(let run, let index, let data): try frame(2, InputHeader(run: run, index: index), data)
        case .cancel(let run): try frame(3, run)
        case .shutdown: try frame(4, Nothing())
        }
    }

    package init(type: UInt16, metadata: Data, payload: Data) throws(WireError) {
        switch type {
        case 1:
            let start: JobStart = try parse("start", metadata)
            guard (0...inputsMax).contains(start.inputCount) else {
                throw .malformed(type: "start", reason: "inputCount \(start.inputCount) is outside 0…\(inputsMax)")
            }
            self = .start(start)
        case 2:
            let header: InputHeader = try parse("input", metadata)
            self = .input(header.run, index: header.index, payload)
        case 3: self = .cancel(try parse("cancel", metadata))
        case 4: self = .shutdown
        default: throw .unknownType(Int(type))
        }
    }
}

/// Pictures one job may have on the wire; the database's own limit is lower.
package let inputsMax = 64

extension WorkerMessage: WireMessage {
    package func encoded() throws(WireError) -> Data {
        switch self {
        case .ready(let ready): try frame(101, ready)
        case .progress(let progress): try frame(102, progress)
        case .output(let run, let header, let data): try frame(103, OutputEnvelope(run: run, header: header), data)
        case .finished(let run, let completion): try frame(104, CompletionEnvelope(run: run, completion: completion))
        case .failed(let run, let error): try frame(105, FailureEnvelope(run: run, error: error))
        case .stopped(let run): try frame(106, run)
        }
    }

    package init(type: UInt16, metadata: Data, payload: Data) throws(WireError) {
        switch type {
        case 101:
            let ready: WorkerReady = try parse("ready", metadata)
            guard ready.jobsMax >= 1 else {
                throw .malformed(type: "ready", reason: "jobsMax \(ready.jobsMax) is less than 1")
            }
            self = .ready(ready)
        case 102:
            let progress: JobProgress = try parse("progress", metadata)
            guard progress.stepsTotal >= 1, (0...progress.stepsTotal).contains(progress.stepsDone) else {
                throw .malformed(
                    type: "progress", reason: "step \(progress.stepsDone) of \(progress.stepsTotal) is no progress")
            }
            self = .progress(progress)
        case 103:
            let envelope: OutputEnvelope = try parse("output", metadata)
            self = .output(envelope.run, envelope.header, payload)
        case 104:
            let envelope: CompletionEnvelope = try parse("finished", metadata)
            self = .finished(envelope.run, envelope.completion)
        case 105:
            let envelope: FailureEnvelope = try parse("failed", metadata)
            self = .failed(envelope.run, envelope.error)
        case 106: self = .stopped(try parse("stopped", metadata))
        default: throw .unknownType(Int(type))
        }
    }
}

private func frame(_ type: UInt16, _ metadata: some Encodable, _ payload: Data = Data()) throws(WireError) -> Data {
    let json: Data
    do {
        json = try JSONEncoder().encode(metadata)
    } catch {
        // JSON has no NaN: the numbers of a message must be finite.
        throw .malformed(type: "\(type)", reason: "\(error)")
    }
    return try Frame(type: type, metadata: json, payload: payload).encoded()
}

private func parse<Value: Decodable>(_ name: String, _ json: Data) throws(WireError) -> Value {
    do {
        return try JSONDecoder().decode(Value.self, from: json)
    } catch {
        throw .malformed(type: name, reason: "\(error)")
    }
}
