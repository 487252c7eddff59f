package import Foundation
import JanusJob

/// A message that travels as one frame.
package protocol WireMessage: Sendable {
    func encoded() throws(WireError) -> Data
    /// - Throws: `WireError` for what has not the form of this protocol version. Whether a worker may say it now is judged by
    ///   `WorkerContract`.
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

/// Metadata about one run.
private struct About<Content: Codable>: Codable {
    var run: JobRun
    var content: Content

    init(_ run: JobRun, _ content: Content) {
        self.run = run
        self.content = content
    }
}

/// An output without its bytes, which are the frame's payload.
private struct OutputHeader: Codable {
    var index: Int
    var format: OutputFormat
}

private struct Nothing: Codable {}

extension SupervisorMessage: WireMessage {
    package func encoded() throws(WireError) -> Data {
        switch self {
        case .start(let start): try frame(1, start)
        case .input(let run, let index, let data): try frame(2, About(run, index), data)
        case .cancel(let run): try frame(3, run)
        case .shutdown: try frame(4, Nothing())
        }
    }

    package init(type: UInt16, metadata: Data, payload: Data) throws(WireError) {
        switch type {
        case 1:
            let start: JobStart = try parse("start", metadata)
            guard (0...inputImagesMax).contains(start.inputCount) else {
                throw .malformed(
                    type: "start", reason: "inputCount \(start.inputCount) is outside 0…\(inputImagesMax)")
            }
            // what is beyond these bounds could overflow the counts that are made of it
            if let fault = start.task.fault { throw .malformed(type: "start", reason: fault) }
            self = .start(start)
        case 2:
            let input: About<Int> = try parse("input", metadata)
            self = .input(input.run, index: input.content, payload)
        case 3: self = .cancel(try parse("cancel", metadata))
        case 4: self = .shutdown
        default: throw .unknownType(Int(type))
        }
    }
}

extension WorkerMessage: WireMessage {
    package func encoded() throws(WireError) -> Data {
        switch self {
        case .ready(let ready): try frame(101, ready)
        case .progress(let run, let progress): try frame(102, About(run, progress))
        case .output(let run, let output):
            try frame(103, About(run, OutputHeader(index: output.index, format: output.format)), output.data)
        case .finished(let run, let completion): try frame(104, About(run, completion))
        case .failed(let run, let error): try frame(105, About(run, error))
        case .stopped(let run): try frame(106, run)
        }
    }

    package init(type: UInt16, metadata: Data, payload: Data) throws(WireError) {
        switch type {
        case 101: self = .ready(try parse("ready", metadata))
        case 102:
            let progress: About<JobProgress> = try parse("progress", metadata)
            self = .progress(progress.run, progress.content)
        case 103:
            let output: About<OutputHeader> = try parse("output", metadata)
            self = .output(
                output.run, JobOutput(index: output.content.index, format: output.content.format, data: payload))
        case 104:
            let end: About<JobCompletion> = try parse("finished", metadata)
            self = .finished(end.run, end.content)
        case 105:
            let end: About<JobError> = try parse("failed", metadata)
            self = .failed(end.run, end.content)
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
