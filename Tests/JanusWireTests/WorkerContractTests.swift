import Foundation
import JanusJob
import JanusWire
import Testing

/// What a worker that a hostile picture has taken over may try.
@Suite struct WorkerContractTests {
    static let run = JobRun(job: 7, runLease: 3)
    static let other = JobRun(job: 8, runLease: 1)
    static let side = 64
    static let ready = WorkerReady(
        jobsMax: 2, fingerprint: "f32:abc", summary: "tiny", pictureSide: side, tokenBytesMax: 4)
    private static let drawing = JobTask.generate(GenerateParameters(prompt: "a fox", images: 2, seed: 1))
    private static let question = JobTask.understand(
        AnswerParameters(messages: [ChatMessage(role: .user, content: "Why?")], maxTokens: 3))

    /// Of a worker that is ready and has these.
    static func contract(_ tasks: [JobRun: JobTask]) throws -> WorkerContract {
        var contract = WorkerContract(jobsMax: 2)
        _ = try contract.judge(.ready(ready))
        for (run, task) in tasks { contract.told(.start(JobStart(run: run, task: task, inputCount: 0))) }
        return contract
    }

    /// The beginning of a PNG of 8-bit RGB, and so many bytes more.
    static func png(_ width: Int = side, _ height: Int = side, more: Int = 10) -> Data {
        var file = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13]) + Data("IHDR".utf8)
        for value in [width, height] {
            for shift in [24, 16, 8, 0] { file.append(UInt8(truncatingIfNeeded: value >> shift)) }
        }
        return file + [8, 2, 0, 0, 0] + Data(count: more)
    }

    static func picture(_ index: Int, _ data: Data = png(), side: Int = side) -> WorkerMessage {
        .output(run, JobOutput(index: index, format: .image(.png, width: side, height: side), data: data))
    }

    static func text(_ data: Data, index: Int = 0) -> WorkerMessage {
        .output(run, JobOutput(index: index, format: .text, data: data))
    }

    static func progress(_ phase: JobPhase, _ done: Int = 0, of total: Int = 10) -> WorkerMessage {
        .progress(run, JobProgress(phase: phase, stepsDone: done, stepsTotal: total))
    }

    static func finished(_ usage: JobUsage, _ reason: FinishReason? = nil) -> WorkerMessage {
        .finished(run, JobCompletion(finishReason: reason, usage: usage))
    }

    private static let drawn = JobUsage(promptTokens: 9, outputTokens: 32, images: 2, drawingSeconds: 1)

    /// - Returns: what the breach is, by the last of these messages.
    private func breach(_ task: JobTask, _ messages: [WorkerMessage]) throws -> String {
        var contract = try Self.contract([Self.run: task])
        for message in messages.dropLast() { _ = try contract.judge(message) }
        let last = try #require(messages.last)
        do throws(WireError) {
            _ = try contract.judge(last)
        } catch {
            guard case .breach(let what) = error else { throw error }
            return what
        }
        return "none"
    }

    @Test("a drawing and an answer as sound workers give them pass")
    func sound() throws {
        var drawing = try Self.contract([Self.run: Self.drawing])
        for message in [
            Self.progress(.preparing), Self.progress(.prefill), Self.progress(.drawing, 3), Self.picture(0),
            Self.picture(1), Self.finished(Self.drawn),
        ] {
            let isPassedOn = try drawing.judge(message)
            #expect(isPassedOn)
        }
        var answer = try Self.contract([Self.run: Self.question])
        for message in [
            Self.progress(.preparing), Self.text(Data("🐈".utf8)),
            Self.finished(JobUsage(promptTokens: 9, outputTokens: 3), .stop),
        ] {
            let isPassedOn = try answer.judge(message)
            #expect(isPassedOn)
        }
        for code in WorkerContract.errorCodes {
            var failing = try Self.contract([Self.run: Self.question])
            let isPassedOn = try failing.judge(.failed(Self.run, JobError(code, "why")))
            #expect(isPassedOn)
        }
    }

    @Test("ready comes first, once, and says what the worker can do")
    func order() throws {
        var silent = WorkerContract(jobsMax: 2)
        silent.told(.start(JobStart(run: Self.run, task: Self.drawing, inputCount: 0)))
        #expect(throws: WireError.self) { try silent.judge(Self.progress(.preparing)) }
        #expect(try breach(Self.drawing, [.ready(Self.ready)]) == "ready twice")
        for change: (inout WorkerReady) -> Void in [
            { $0.jobsMax = Int(Int32.max) }, { $0.jobsMax = 3 }, { $0.jobsMax = 0 }, { $0.pictureSide = 1 << 40 },
            { $0.pictureSide = 0 }, { $0.tokenBytesMax = -1 }, { $0.tokenBytesMax = .max },
            { $0.fingerprint = String(repeating: "f", count: WorkerContract.textBytesMax + 1) },
            { $0.summary = String(repeating: "s", count: WorkerContract.textBytesMax + 1) },
        ] {
            var contract = WorkerContract(jobsMax: 2)
            var ready = Self.ready
            change(&ready)
            #expect(throws: WireError.self) { try contract.judge(.ready(ready)) }
        }
    }

    @Test("a worker speaks about its own runs only, and about none that is over")
    func ownRuns() throws {
        let foreign = "a message about run 8/1, which this worker does not have"
        #expect(
            try breach(Self.question, [.finished(Self.other, JobCompletion(finishReason: .stop, usage: JobUsage()))])
                == foreign)
        #expect(try breach(Self.question, [.failed(Self.other, JobError(.internalError, "why"))]) == foreign)
        #expect(try breach(Self.question, [.stopped(Self.other)]) == foreign)
        let failed = WorkerMessage.failed(Self.run, JobError(.invalidImage, "why"))
        #expect(try breach(Self.question, [failed, failed]).contains("does not have"))
        #expect(try breach(Self.question, [failed, Self.text(Data())]).contains("does not have"))
    }

    @Test("a run stops when it was asked to, and not otherwise")
    func stopped() throws {
        #expect(try breach(Self.drawing, [.stopped(Self.run)]).contains("nobody asked"))
        var contract = try Self.contract([Self.run: Self.drawing])
        contract.told(.cancel(Self.run))
        let isPassedOn = try contract.judge(.stopped(Self.run))
        #expect(isPassedOn)
        // the answer may have crossed the cancel: no breach
        contract.told(.cancel(Self.run))
    }

    @Test("outputs come in order, each once, and no more than the job has")
    func outputs() throws {
        for indices in [[-1], [1], [.max], [0, 0], [0, 1, 2]] {
            #expect(try breach(Self.drawing, indices.map { Self.picture($0) }).contains(" of 2"), "\(indices)")
        }
        #expect(try breach(Self.question, [Self.text(Data()), Self.text(Data(), index: 1)]).contains("after 1 of 1"))
    }

    @Test("a picture has the model's size, by its frame and by its bytes, and the format that was asked for")
    func pictures() throws {
        let format = OutputFormat.image(.png, width: Self.side, height: Self.side)
        for (message, word) in [
            (Self.picture(0, side: 1 << 40), "expected"), (Self.picture(0, side: -1), "expected"),
            (.output(Self.run, JobOutput(index: 0, format: .text, data: Self.png())), "expected"),
            (
                .output(Self.run, JobOutput(index: 0, format: .image(.webp, width: 64, height: 64), data: Self.png())),
                "expected"
            ),
            (Self.picture(0, Self.png(64, 1 << 20)), "the bytes are not"),
            (Self.picture(0, Self.png(65)), "the bytes are not"),
            (Self.picture(0, Data([0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0, 64, 0, 64])), "the bytes are not"),
            (Self.picture(0, Data("<html>".utf8)), "the bytes are not"),
            (Self.picture(0, Data()), "bytes is 0"),
            (Self.picture(0, Self.png(more: 16 << 20)), "outside"),
        ] {
            let said = try breach(Self.drawing, [message])
            #expect(said.contains(word), "\(said)")
        }
        #expect(
            try breach(Self.question, [.output(Self.run, JobOutput(index: 0, format: format, data: Self.png()))])
                .contains("expected a text"))
    }

    @Test("pictures of each format are known by their first bytes, cut anywhere or not")
    func headers() throws {
        let segment: [UInt8] = [0xFF, 0xE0, 0, 4, 1, 2]
        let jpeg = Data([0xFF, 0xD8] + segment + [0xFF, 0xC0, 0, 17, 8, 0, 64, 0, 64, 3])
        let webp =
            Data("RIFF".utf8) + [30, 0, 0, 0] + Data("WEBPVP8X".utf8) + [10, 0, 0, 0, 4, 0, 0, 0, 63, 0, 0, 63, 0, 0]
        let plain =
            Data("RIFF".utf8) + [30, 0, 0, 0] + Data("WEBPVP8 ".utf8) + [
                10, 0, 0, 0, 0, 0, 0, 0x9D, 0x01, 0x2A, 64, 0x40, 64, 0,
            ]
        for (format, file) in [(ImageFormat.png, Self.png()), (.jpeg, jpeg), (.webp, webp), (.webp, plain)] {
            let task = JobTask.generate(GenerateParameters(prompt: "", images: 2, seed: 1, format: format))
            let picture = OutputFormat.image(format, width: 64, height: 64)
            func judged(_ data: Data) throws -> String {
                try breach(task, [.output(Self.run, JobOutput(index: 0, format: picture, data: data))])
            }
            #expect(try judged(file) == "none", "\(format)")
            for count in 1..<(format == .png ? 26 : file.count - 1) {
                #expect(try judged(file.prefix(count)) != "none", "\(format) of \(count) bytes")
            }
        }
    }

    @Test("an answer is UTF-8, and not longer than its tokens")
    func texts() throws {
        #expect(try breach(Self.question, [Self.text(Data([0xC3]))]).contains("not UTF-8"))
        #expect(try breach(Self.question, [Self.text(Data(repeating: 65, count: 3 * (3 * 4 + 1)))]) == "none")
        #expect(
            try breach(Self.question, [Self.text(Data(repeating: 65, count: 3 * (3 * 4 + 1) + 1))]).contains("outside"))
        // a token may be a NUL
        #expect(try breach(Self.question, [Self.text(Data([0]))]) == "none")
    }

    @Test("a success has all its outputs, and figures that can be")
    func success() throws {
        #expect(try breach(Self.drawing, [Self.finished(Self.drawn)]).contains("after 0 of 2 outputs"))
        let pictures = [Self.picture(0), Self.picture(1)]
        #expect(try breach(Self.drawing, [pictures[0], Self.finished(Self.drawn)]).contains("after 1 of 2 outputs"))
        #expect(try breach(Self.drawing, pictures + [Self.finished(Self.drawn, .stop)]).contains("finish reason"))
        #expect(try breach(Self.question, [Self.text(Data()), Self.finished(JobUsage())]).contains("no finish reason"))
        for change: (inout JobUsage) -> Void in [
            { $0.images = 3 }, { $0.images = -2 }, { $0.promptTokens = .max }, { $0.promptTokens = -1 },
            { $0.outputTokens = .max }, { $0.drawingSeconds = -1 }, { $0.decodingSeconds = 1e300 },
        ] {
            var usage = Self.drawn
            change(&usage)
            #expect(try breach(Self.drawing, pictures + [Self.finished(usage)]) != "none", "\(usage)")
        }
        let long = JobUsage(promptTokens: 1, outputTokens: 4)
        #expect(
            try breach(Self.question, [Self.text(Data()), Self.finished(long, .length)]).contains("output tokens is 4"))
    }

    @Test("a failure has a message of bounded length and a code that a worker can know")
    func failures() throws {
        for code in Set(JobErrorCode.allCases).subtracting(WorkerContract.errorCodes) {
            #expect(try breach(Self.drawing, [.failed(Self.run, JobError(code, "why"))]).contains(code.rawValue))
        }
        let long = String(repeating: "x", count: WorkerContract.textBytesMax + 1)
        #expect(try breach(Self.drawing, [.failed(Self.run, JobError(.internalError, long))]).contains("outside"))
        #expect(try breach(Self.drawing, [.failed(Self.run, JobError(.internalError, ""))]).contains("outside"))
    }

    @Test("progress beyond its total, backwards, or in a phase that is not the worker's is a breach")
    func impossibleProgress() throws {
        for messages in [
            [Self.progress(.drawing, 11)], [Self.progress(.drawing, -1)], [Self.progress(.drawing, 0, of: 0)],
            [Self.progress(.drawing, 0, of: .max)], [Self.progress(.delivering)],
            [Self.progress(.drawing, 3), Self.progress(.drawing, 2)],
            [Self.progress(.drawing, 3), Self.progress(.prefill, 3)],
        ] {
            #expect(try breach(Self.drawing, messages).contains("progress of run 7/3"), "\(messages)")
        }
    }

    @Test("a flood of progress is thinned: a phase's first passes, then one in a while")
    func flood() throws {
        var contract = try Self.contract([Self.run: Self.drawing])
        let start = ContinuousClock.now
        var passed: [Int] = []
        for step in 0..<1000 {
            let phase: JobPhase = step < 500 ? .prefill : .drawing
            let now = start.advanced(by: .milliseconds(step))
            if try contract.judge(Self.progress(phase, step, of: 1000), now: now) { passed.append(step) }
        }
        #expect(passed == (0..<10).map { $0 * 50 } + (0..<10).map { 500 + $0 * 50 })
    }
}
