import Foundation
import JanusJob
import JanusWire
import Testing

@Suite struct CodecTests {
    static let run = JobRun(job: 7, runLease: 3)

    static let supervisorMessages: [SupervisorMessage] = [
        .start(
            JobStart(
                run: run, task: .generate(GenerateParameters(prompt: "ein roter Fuchs 🦊", images: 4, seed: .max)),
                inputCount: 0)),
        .start(
            JobStart(
                run: run,
                task: .understand(
                    AnswerParameters(messages: [ChatMessage(role: .user, content: "", images: 2)], stop: ["\n"])),
                inputCount: 2)),
        .start(
            JobStart(
                run: run,
                task: .chat(
                    AnswerParameters(
                        messages: [
                            ChatMessage(role: .user, content: "Was ist das?", images: 1),
                            ChatMessage(role: .assistant, content: "Ein Fuchs."),
                            ChatMessage(role: .user, content: "Und dahinter?"),
                        ], systemPrompt: "Answer briefly.", temperature: 0.5, topP: 0.9)),
                inputCount: 1)),
        .input(run, index: 1, Data([0, 255, 74, 65, 78, 87])),
        .input(run, index: 0, Data()),
        .cancel(run),
        .shutdown,
    ]

    static let workerMessages: [WorkerMessage] = [
        .ready(
            WorkerReady(jobsMax: 1, fingerprint: "f32:abc", summary: "tiny", pictureSide: 64, tokenBytesMax: 12)),
        .progress(run, JobProgress(phase: .drawing, stepsDone: 5, stepsTotal: 576)),
        .output(run, JobOutput(index: 3, format: .image(.png, width: 384, height: 256), data: Data([1, 2, 3]))),
        .output(run, JobOutput(index: 0, format: .image(.jpeg, width: 1, height: 1), data: Data([255, 216]))),
        .output(run, JobOutput(index: 1, format: .image(.webp, width: 384, height: 384), data: Data("RIFF".utf8))),
        .output(run, JobOutput(text: "a cat 🐈")),
        .finished(run, JobCompletion(finishReason: .stop, usage: JobUsage(promptTokens: 600))),
        .failed(run, JobError(.invalidImage, "picture 0 is not a PNG, JPEG or WebP file")),
        .stopped(run),
    ]

    @Test("every message survives the way, one byte at a time")
    func roundTrip() throws {
        try check(Self.supervisorMessages)
        try check(Self.workerMessages)
    }

    private func check<Message: WireMessage & Equatable>(_ messages: [Message]) throws {
        var decoder = MessageDecoder<Message>()
        var received: [Message] = []
        for byte in try messages.map({ try $0.encoded() }).joined() {
            decoder.append(Data([byte]))
            while let message = try decoder.next() { received.append(message) }
        }
        #expect(received == messages)
    }

    @Test("bytes that are no frame are refused")
    func notAFrame() {
        expect(.notAFrame, from: Data("HTTP/1.1 200 OK\r\n\r\n".utf8))
    }

    @Test("another version is refused by its number")
    func version() throws {
        var bytes = try WorkerMessage.stopped(Self.run).encoded()
        bytes[4] = 9
        expect(.version(found: 9, supported: Int(Frame.version)), from: bytes)
    }

    @Test("a header that promises more than the limit is refused before the bytes come", arguments: [8, 12])
    func tooLarge(offset: Int) throws {
        var bytes = try WorkerMessage.stopped(Self.run).encoded()
        bytes.replaceSubrange(offset..<(offset + 4), with: [255, 255, 255, 255])
        var decoder = MessageDecoder<WorkerMessage>()
        decoder.append(bytes.prefix(16))
        #expect(throws: WireError.self) { try decoder.next() }
    }

    @Test("a message of the other direction is refused")
    func direction() throws {
        var decoder = MessageDecoder<WorkerMessage>()
        decoder.append(try SupervisorMessage.shutdown.encoded())
        #expect(throws: WireError.unknownType(4)) { try decoder.next() }
    }

    @Test("metadata that is not the type's is refused")
    func malformed() throws {
        var bytes = try WorkerMessage.stopped(Self.run).encoded()
        bytes[16] = UInt8(ascii: "[")
        var decoder = MessageDecoder<WorkerMessage>()
        decoder.append(bytes)
        #expect(throws: WireError.self) { try decoder.next() }
    }

    @Test("a job with arguments beyond their bounds is refused")
    func impossibleJob() throws {
        for task: JobTask in [
            .generate(GenerateParameters(prompt: "a fox", images: .max, seed: 1)),
            .generate(GenerateParameters(prompt: "a fox", images: 1, seed: 1, topK: -1)),
            .understand(AnswerParameters(messages: [ChatMessage(role: .user, content: "Why?")], maxTokens: .max)),
        ] {
            var decoder = MessageDecoder<SupervisorMessage>()
            decoder.append(try SupervisorMessage.start(JobStart(run: Self.run, task: task, inputCount: 0)).encoded())
            #expect(throws: WireError.self) { try decoder.next() }
        }
    }

    private func expect(_ error: WireError, from bytes: Data) {
        var decoder = MessageDecoder<WorkerMessage>()
        decoder.append(bytes)
        #expect(throws: error) { try decoder.next() }
    }
}
