import Foundation
import JanusJob
import JanusWire
import TestSupport
import Testing

/// Frames that no `encoded()` made. A supervisor reads what a worker that ran on untrusted pictures sends, so whatever
/// the bytes are, the decoder gives a message or a `WireError`, as its typed throw says, and never a trap; and whatever the
/// messages are, what passes the contract keeps its bounds.
@Suite("the wire, fuzzed")
struct FuzzTests {
    /// How a case is made of a real message.
    private enum Mutation: CaseIterable {
        /// Random metadata and payload under a real header.
        case noise
        case flippedMetadata
        case changedJSON
        /// Another value of the same kind: many of these are messages.
        case otherValues
        /// The payload is another one: of an input or an output it may be anything.
        case otherPayload
        /// Whole otherwise: its metadata or payload are shorter than they were.
        case cut
        /// Its type is another one.
        case otherType
        /// Any byte of the frame, the header's too.
        case flippedFrame
        /// The end is missing: the decoder must wait for it.
        case truncated
        /// The header promises another length than what follows.
        case otherLength
    }

    /// Where cases ended.
    private struct Ends {
        var cases = 0
        var messages = 0
        /// By what a type's metadata must be.
        var refusedInside = 0
        /// The type stands in the header: nothing behind it was looked at.
        var unknownTypes = 0
        var refusedAtHeader = 0
        var waiting = 0

        var pastHeader: Int { messages + refusedInside }
    }

    private static let casesPerDirection = 20_000

    @Test("messages to a worker, mutated")
    func supervisor() throws { try fuzz(CodecTests.supervisorMessages, as: SupervisorMessage.self) }

    @Test("messages to a supervisor, mutated")
    func worker() throws { try fuzz(CodecTests.workerMessages, as: WorkerMessage.self) }

    @Test("runs of a worker, mutated: what passes is what the job may yield")
    func contract() throws {
        var generator = try SeededGenerator.printed(for: "fuzzing the contract")
        let run = WorkerContractTests.run
        let drawing = [
            WorkerContractTests.progress(.prefill), WorkerContractTests.picture(0), WorkerContractTests.picture(1),
            WorkerContractTests.finished(JobUsage(promptTokens: 9, outputTokens: 32, images: 2)),
        ]
        let answer = [
            WorkerContractTests.text(Data("🐈 cat".utf8)),
            WorkerContractTests.finished(JobUsage(promptTokens: 9, outputTokens: 3), .stop),
            .failed(run, JobError(.invalidImage, "why")),
        ]
        var (passed, breaches, sound) = (0, 0, 0)
        for _ in 0..<Self.casesPerDirection {
            let isDrawing = Bool.random(using: &generator)
            let task: JobTask =
                isDrawing
                ? .generate(GenerateParameters(prompt: "a fox", images: 2, seed: 1))
                : .understand(AnswerParameters(messages: [ChatMessage(role: .user, content: "Why?")], maxTokens: 3))
            var contract = try WorkerContractTests.contract([run: task])
            var outputs: [JobOutput] = []
            for message in isDrawing ? drawing : answer {
                var frame = try Frame(of: message)
                // most runs get to their end
                switch Int.random(in: 0..<12, using: &generator) {
                case 0: frame.metadata = try frame.metadata.otherValues(using: &generator)
                case 1: frame.payload = frame.payload.flipped(using: &generator)
                case 2: frame.payload = Data(noise: Int.random(in: 0...64, using: &generator), using: &generator)
                default: break
                }
                var decoder = MessageDecoder<WorkerMessage>()
                decoder.append(try frame.encoded())
                do throws(WireError) {
                    guard let said = try decoder.next(), try contract.judge(said) else { continue }
                    passed += 1
                    if case .output(_, let output) = said { outputs.append(output) }
                    if case .finished = said {
                        sound += 1
                        #expect(outputs.map(\.index) == Array(0..<task.outputCount))
                    }
                } catch {
                    breaches += 1
                    break
                }
            }
            for output in outputs {
                switch (task, output.format) {
                case (.generate, .image(.png, width: 64, height: 64)): #expect(output.data.count <= 200_000)
                case (.understand, .text):
                    #expect(output.data.count <= 39 && String(validating: output.data, as: UTF8.self) != nil)
                case (.generate, _), (.understand, _), (.chat, _): Issue.record("\(output.format) for \(task)")
                }
            }
        }
        print("fuzzing the contract: \(passed) messages passed, \(breaches) runs broke it, \(sound) succeeded")
        #expect(passed > 10_000 && breaches > 1000 && sound > 1000)
    }

    private func fuzz<Message: WireMessage & Equatable>(_ messages: [Message], as type: Message.Type) throws {
        var generator = try SeededGenerator.printed(for: "fuzzing \(type)")
        let frames = try messages.map { try Frame(of: $0) }
        var ends = Ends()
        for _ in 0..<Self.casesPerDirection {
            let frame = try #require(frames.randomElement(using: &generator))
            let mutation = try #require(Mutation.allCases.randomElement(using: &generator))
            try decode(try bytes(frame, mutation, &generator), as: type, &ends)
        }
        print(
            "fuzzing \(type): \(ends.cases) cases, \(ends.pastHeader) got past the header (\(ends.messages) became "
                + "messages, \(ends.refusedInside) were refused inside), \(ends.refusedAtHeader) were refused at it, "
                + "\(ends.unknownTypes) had types that there are not, \(ends.waiting) wait for more")
        #expect(ends.cases == Self.casesPerDirection)
        let ofKnownTypes = ends.cases - ends.unknownTypes
        #expect(ends.pastHeader > ofKnownTypes * 2 / 3, "most cases must get past the header: \(ends)")
        // and every end is reached
        #expect(ends.messages > ends.cases / 10 && ends.refusedInside > ends.cases / 3, "\(ends)")
        #expect(ends.refusedAtHeader > 100 && ends.waiting > 100 && ends.unknownTypes > 100, "\(ends)")
    }

    private func decode<Message: WireMessage & Equatable>(
        _ bytes: Data, as type: Message.Type, _ ends: inout Ends
    ) throws {
        ends.cases += 1
        var decoder = MessageDecoder<Message>()
        decoder.append(bytes)
        do throws(WireError) {
            guard let message = try decoder.next() else {
                ends.waiting += 1
                return
            }
            ends.messages += 1
            // what is taken can be said again
            var again = MessageDecoder<Message>()
            again.append(try message.encoded())
            #expect(try again.next() == message)
        } catch {
            switch error {
            case .notAFrame, .version, .tooLarge: ends.refusedAtHeader += 1
            case .unknownType: ends.unknownTypes += 1
            case .malformed, .breach: ends.refusedInside += 1
            }
        }
    }

    private func bytes(_ real: Frame, _ mutation: Mutation, _ generator: inout SeededGenerator) throws -> Data {
        var frame = real
        switch mutation {
        case .noise:
            frame.metadata = Data(noise: Int.random(in: 0...64, using: &generator), using: &generator)
            frame.payload = Data(noise: Int.random(in: 0...64, using: &generator), using: &generator)
        case .flippedMetadata: frame.metadata = frame.metadata.flipped(using: &generator)
        case .changedJSON: frame.metadata = try frame.metadata.mutatedJSON(using: &generator)
        case .otherValues: frame.metadata = try frame.metadata.otherValues(using: &generator)
        case .otherPayload:
            frame.payload = Data(noise: Int.random(in: 1...64, using: &generator), using: &generator)
        case .cut:
            frame.metadata = Data(frame.metadata.prefix(Int.random(in: 0...frame.metadata.count, using: &generator)))
            frame.payload = Data(frame.payload.prefix(Int.random(in: 0...frame.payload.count, using: &generator)))
        case .otherType:
            // all that there are, of both directions, and some that there are not
            frame.type = UInt16.random(in: 0...120, using: &generator)
        case .flippedFrame: return try frame.encoded().flipped(using: &generator)
        case .truncated:
            let whole = try frame.encoded()
            return Data(whole.prefix(Int.random(in: 0..<whole.count, using: &generator)))
        case .otherLength:
            let longer = Data(noise: Int.random(in: 1...64, using: &generator), using: &generator)
            let header = try Frame(type: frame.type, metadata: frame.metadata + longer, payload: frame.payload)
                .encoded()
            return header.prefix(Frame.headerBytes) + frame.metadata + frame.payload
                + (Bool.random(using: &generator) ? longer : Data())
        }
        return try frame.encoded()
    }
}

extension Frame {
    /// A real message's.
    fileprivate init(of message: some WireMessage) throws {
        var decoder = FrameDecoder()
        decoder.append(try message.encoded())
        self = try #require(try decoder.next())
    }
}
