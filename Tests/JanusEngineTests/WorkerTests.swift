import Foundation
import JanusEngine
import JanusImage
import JanusJob
import JanusTensor
import JanusWire
import TestSupport
import Testing

@Suite("janus-worker, the process")
struct WorkerTests {
    private let run = JobRun(job: 1, runLease: 3)

    private func drawing(_ run: JobRun, images: Int = 1) -> SupervisorMessage {
        .start(
            JobStart(
                run: run, task: .generate(GenerateParameters(prompt: "a red fox", images: images, seed: 42)),
                inputCount: 0))
    }

    private func question(_ run: JobRun, images: Int) -> SupervisorMessage {
        let message = ChatMessage(role: .user, content: "Describe this scene in detail.", images: images)
        return .start(
            JobStart(
                run: run, task: .understand(AnswerParameters(messages: [message], maxTokens: 8)), inputCount: images))
    }

    @Test("it says ready, then progress, outputs and the end of a drawing, the same bytes in every process")
    func drawing() throws {
        let first = try drawTwo()
        #expect(try drawTwo() == first)
        let parameters = GenerateParameters(prompt: "a red fox", images: 2, seed: 42)
        let engine = try tinyEngine()
        // The pictures of this process may differ in a last bit: its tests share OpenBLAS.
        let images = try engine.generate(parameters).images
        #expect(first.count == 2 && images.count == 2)
        for (output, image) in zip(first, images) {
            let (found, expected) = (try RGBImage(decoding: output).pixels, try RGBImage(decoding: image.file).pixels)
            #expect(found.count == 3 * 64 * 64 && expected.count == found.count)
            #expect(zip(found, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        }
    }

    private func drawTwo() throws -> [Data] {
        let worker = try WorkerProcess()
        let ready = try worker.ready()
        #expect(ready.jobsMax == 1)
        #expect(try ready.fingerprint == tinyEngine().fingerprint)
        try worker.send(drawing(run, images: 2))
        var outputs: [Data] = []
        var phases: [JobPhase] = []
        for message in try worker.receive(until: \.isEnd) {
            switch message {
            case .progress(let progressRun, let progress):
                #expect(progressRun == run)
                if phases.last != progress.phase { phases.append(progress.phase) }
            case .output(let outputRun, let output):
                #expect(outputRun == run)
                #expect(output.index == outputs.count && output.format == .image(.png, width: 64, height: 64))
                outputs.append(output.data)
            case .finished(let finishedRun, let completion):
                #expect(finishedRun == run && completion.usage.images == 2 && completion.finishReason == nil)
            case .ready, .failed, .stopped: #expect(Bool(false), "\(message)")
            }
        }
        #expect(phases == [.preparing, .prefill, .drawing, .decoding] && outputs.count == 2)
        return outputs
    }

    @Test("it waits for every picture of a question, then answers")
    func answering() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        try worker.send(question(run, images: 2))
        for index in 0..<2 { try worker.send(.input(run, index: index, referencePicture(index))) }
        let said = try worker.receive(until: \.isEnd).suffix(2)
        guard case .output(run, let output)? = said.first, case .finished(run, let completion)? = said.last else {
            return #expect(Bool(false))
        }
        #expect(output.format == .text && !output.data.isEmpty && completion.finishReason == .length)
        #expect(completion.usage.outputTokens == 8)
    }

    @Test("a bad picture fails its job and not the worker")
    func badPicture() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        try worker.send(question(run, images: 1))
        try worker.send(.input(run, index: 0, Data("GIF89a".utf8)))
        guard case .failed(run, let error) = try worker.receive(until: \.isEnd).last else {
            return #expect(Bool(false))
        }
        #expect(error.code == .invalidImage && !error.retryable)
        let next = JobRun(job: 2, runLease: 1)
        try worker.send(drawing(next))
        guard case .finished(next, _) = try worker.receive(until: \.isEnd).last else { return #expect(Bool(false)) }
    }

    @Test("a canceled drawing stops in the middle, and the next job is served")
    func cancel() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        // Long enough that it cannot end before the cancel comes.
        try worker.send(drawing(run, images: 5000))
        _ = try worker.receive { message in
            if case .progress(_, let progress) = message { progress.stepsDone > 0 } else { false }
        }
        try worker.send(.cancel(run))
        #expect(try worker.receive(until: \.isEnd).last == .stopped(run))
        let next = JobRun(job: 2, runLease: 1)
        try worker.send(.cancel(run))
        try worker.send(drawing(next))
        guard case .finished(next, _) = try worker.receive(until: \.isEnd).last else { return #expect(Bool(false)) }
    }

    @Test("a job canceled before its pictures are there is stopped, and its late pictures are ignored")
    func cancelWaiting() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        try worker.send(question(run, images: 2))
        try worker.send(.input(run, index: 0, referencePicture(0)))
        try worker.send(.cancel(run))
        #expect(try worker.receive() == .stopped(run))
        try worker.send(.input(run, index: 1, referencePicture(1)))
        let next = JobRun(job: 2, runLease: 1)
        try worker.send(drawing(next))
        guard case .finished(next, _) = try worker.receive(until: \.isEnd).last else { return #expect(Bool(false)) }
    }

    /// Sends the jobs of `MixedJobs` and waits for their ends.
    /// - Parameter isTogether: all at once, or each when the one before is over.
    private func mixed(_ worker: WorkerProcess, isTogether: Bool) throws -> [Int64: [Data]] {
        var results: [Int64: [Data]] = [:]
        func receive(_ count: Int) throws {
            var ends = 0
            _ = try worker.receive { message in
                switch message {
                case .output(let run, let output): results[run.job, default: []].append(output.data)
                case .ready, .progress, .finished, .failed, .stopped: break
                }
                if message.isEnd { ends += 1 }
                return ends == count
            }
        }
        for (index, job) in MixedJobs.all.enumerated() {
            let run = JobRun(job: Int64(index), runLease: 1)
            try worker.send(.start(JobStart(run: run, task: job.task, inputCount: job.pictures.count)))
            for (input, picture) in job.pictures.enumerated() {
                try worker.send(.input(run, index: input, referencePicture(picture)))
            }
            if !isTogether { try receive(1) }
        }
        if isTogether { try receive(MixedJobs.all.count) }
        return results
    }

    @Test("files and texts are the same in one worker and in another, one by one and all at once, with any threads")
    func batch() throws {
        let pack = try TinyPack.path("int8")
        let single = try WorkerProcess(model: pack)
        let ready = try single.ready()
        #expect(ready.jobsMax == 8)
        let expected = try mixed(single, isTogether: false)
        #expect(expected.count == 9 && expected.values.allSatisfy { !$0.isEmpty })
        for (threads, jobs) in [("1", "9"), ("2", "9"), ("2", "4")] {
            let worker = try WorkerProcess(model: pack, arguments: ["--threads", threads, "--jobs", jobs])
            #expect(try worker.ready().fingerprint == ready.fingerprint)
            #expect(try mixed(worker, isTogether: true) == expected)
        }
    }

    @Test("one of several running jobs is canceled, the others go on; a waiting one is canceled at once")
    func cancelOne() throws {
        let worker = try WorkerProcess(model: try TinyPack.path("int8"), arguments: ["--jobs", "2"])
        _ = try worker.ready()
        let (canceled, other, waiting) = (run, JobRun(job: 2, runLease: 1), JobRun(job: 3, runLease: 1))
        try worker.send(drawing(canceled, images: 100))
        try worker.send(drawing(other, images: 2))
        try worker.send(drawing(waiting))
        var began: Set<JobRun> = []
        _ = try worker.receive { message in
            if case .progress(let run, _) = message { began.insert(run) }
            return began.count == 2
        }
        #expect(began == [canceled, other])
        try worker.send(.cancel(waiting))
        try worker.send(.cancel(canceled))
        var ends: [WorkerMessage] = []
        while ends.count < 3 { ends += try worker.receive(until: \.isEnd).filter(\.isEnd) }
        #expect(ends.contains(.stopped(waiting)) && ends.contains(.stopped(canceled)))
        #expect(ends.contains { if case .finished(other, _) = $0 { true } else { false } })
    }

    @Test("jobs that run beside each other tell of their progress, each of its own")
    func progressOfEach() throws {
        let worker = try WorkerProcess(model: try TinyPack.path("int8"), arguments: ["--jobs", "2"])
        _ = try worker.ready()
        let other = JobRun(job: 2, runLease: 1)
        // long enough that neither can end meanwhile
        for run in [run, other] { try worker.send(drawing(run, images: 100)) }
        var told: [JobRun: [Int]] = [:]
        let messages = try worker.receive { message in
            if case .progress(let run, let progress) = message { told[run, default: []].append(progress.stepsDone) }
            return message.isEnd || told.count == 2 && told.values.allSatisfy { $0.count >= 6 }
        }
        let hasEnded = messages.contains(where: \.isEnd)
        try #require(!hasEnded, "one ended first: \(told)")
        #expect(Set(told.keys) == [run, other] && told.values.allSatisfy { $0 == $0.sorted() }, "\(told)")
        for run in [run, other] { try worker.send(.cancel(run)) }
        var ends: [WorkerMessage] = []
        while ends.count < 2 { ends += try worker.receive(until: \.isEnd).filter(\.isEnd) }
        #expect(ends.contains(.stopped(run)) && ends.contains(.stopped(other)))
    }

    @Test("a job that is to be alone begins when the others are over, and who comes behind it waits")
    func alone() throws {
        let worker = try WorkerProcess(model: try TinyPack.path("int8"))
        _ = try worker.ready()
        let suspect = JobRun(job: 2, runLease: 1)
        let task = JobTask.generate(GenerateParameters(prompt: "a red fox", images: 2, seed: 42))
        try worker.send(drawing(run, images: 3))
        try worker.send(.start(JobStart(run: suspect, task: task, inputCount: 0, isAlone: true)))
        let last = JobRun(job: 3, runLease: 1)
        try worker.send(drawing(last))
        var log: [String] = []
        var ends = 0
        _ = try worker.receive { message in
            if case .progress(let run, _) = message, log.last != "\(run.job)" { log.append("\(run.job)") }
            if message.isEnd { ends += 1 }
            return ends == 3
        }
        #expect(log == ["1", "2", "3"])
    }

    @Test("a job whose keys and values exceed the worker's memory is refused with both figures")
    func memory() throws {
        let worker = try WorkerProcess(
            model: try TinyPack.path("int8"), arguments: ["--cache-mib", "1", "--cache-format", "bf16"])
        #expect(try worker.ready().fingerprint.hasPrefix("int8/kv-bf16/"))
        try worker.send(
            .start(JobStart(run: run, task: MixedJobs.answer("q", maxTokens: 3000), inputCount: 0)))
        guard case .failed(run, let error) = try worker.receive(until: \.isEnd).last else {
            return #expect(Bool(false))
        }
        #expect(error.code == .memoryExceeded && error.message.contains("1.0 MiB"), "\(error)")
    }

    @Test("the end of the socket ends the worker, idle or computing", arguments: [false, true])
    func endOfStream(isComputing: Bool) throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        if isComputing {
            try worker.send(drawing(run, images: 5000))
            _ = try worker.receive()
        }
        worker.closeSocket()
        #expect(try worker.exitStatus() == 0)
        #expect(try worker.standardError() == "")
    }

    @Test("shutdown ends the worker")
    func shutdown() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        try worker.send(.shutdown)
        #expect(try worker.exitStatus() == 0)
    }

    @Test("a killed worker is the end of the stream, in the middle of a job too")
    func killed() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        try worker.send(drawing(run, images: 5000))
        _ = try worker.receive { if case .progress = $0 { true } else { false } }
        kill(worker.pid, SIGKILL)
        while try worker.receive() != nil {}
        #expect(try worker.exitStatus() == -SIGKILL)
    }

    @Test("what is no frame ends the worker with a word on it")
    func malformed() throws {
        let otherVersion = Data("JANW".utf8) + [9, 0] + Data(repeating: 0, count: 10)
        for (bytes, word) in [(Data("GET / HTTP/1.1\r\n\r\n".utf8), "magic"), (otherVersion, "version 9")] {
            let worker = try WorkerProcess()
            _ = try worker.ready()
            try worker.send(bytes: bytes)
            #expect(try worker.exitStatus() == 65)
            let said = try worker.standardError()
            #expect(said.hasPrefix("janus-worker: ") && said.contains(word))
        }
    }

    @Test("messages against the protocol end the worker: a picture out of order, a job twice")
    func protocolErrors() throws {
        let picture = try SupervisorMessage.input(run, index: 1, referencePicture(0))
        for messages in [[question(run, images: 2), picture], [question(run, images: 1), question(run, images: 1)]] {
            let worker = try WorkerProcess()
            _ = try worker.ready()
            for message in messages { try worker.send(message) }
            #expect(try worker.exitStatus() == 65)
        }
    }

    @Test("a model that cannot be loaded is said, with status 78, before any ready")
    func badModel() throws {
        for (folder, word) in [("/nonexistent", "/nonexistent"), (Reference.file("Reference"), "config.json")] {
            let worker = try WorkerProcess(model: folder)
            #expect(try worker.receive() == nil)
            #expect(try worker.exitStatus() == 78)
            #expect(try worker.standardError().contains(word))
        }
    }

    @Test("in the sandbox nothing can be opened, started or traced")
    func sandbox() throws {
        let result = try TestProcess.run(Reference.executable("janus-worker"), ["--check-sandbox"])
        #expect(result.status == 0 && result.output.contains("the sandbox holds"), "\(result)")
    }

    @Test("the kernel enforces it on a worker that is ready")
    func sandboxOfReadyWorker() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        let tasks = "/proc/\(worker.pid)/task"
        let threads = try FileManager.default.contentsOfDirectory(atPath: tasks)
        #expect(threads.count >= 2)
        for thread in threads {
            let status = try String(contentsOfFile: "\(tasks)/\(thread)/status", encoding: .utf8)
            #expect(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "thread \(thread)")
        }
    }

    @Test("its memory has a limit that it cannot raise, within which it works")
    func memoryLimit() throws {
        let worker = try WorkerProcess()
        _ = try worker.ready()
        let limits = try String(contentsOfFile: "/proc/\(worker.pid)/limits", encoding: .utf8)
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max data size") })
        let values = line.split(separator: " ").suffix(3)
        #expect(values.first == values.dropFirst().first && values.last == "bytes", "\(line)")
        let bytes = try #require(values.first.flatMap { Int($0) })
        #expect(bytes > 4 << 30 && bytes < 64 << 30)
        try worker.send(drawing(run))
        guard case .finished(run, _) = try worker.receive(until: \.isEnd).last else { return #expect(Bool(false)) }
    }

    @Test("what a sound worker says is within its contract: pictures of each format, an answer, a failure, a stop")
    func contract() throws {
        let worker = try WorkerProcess(model: try TinyPack.path("int8"))
        var contract = WorkerContract(jobsMax: 8)
        let isReady = try contract.judge(.ready(try worker.ready()))
        #expect(isReady)
        func send(_ message: SupervisorMessage) throws {
            contract.told(message)
            try worker.send(message)
        }
        /// The end of the run, each message up to it judged.
        func end() throws -> WorkerMessage? {
            let messages = try worker.receive(until: \.isEnd)
            for message in messages { _ = try contract.judge(message) }
            return messages.last
        }
        for (index, format) in ImageFormat.allCases.enumerated() {
            let run = JobRun(job: Int64(index), runLease: 1)
            let task = JobTask.generate(
                GenerateParameters(prompt: "a red fox", images: 3, seed: 42, format: format))
            try send(.start(JobStart(run: run, task: task, inputCount: 0)))
            guard case .finished(run, _) = try end() else { return #expect(Bool(false), "\(format)") }
        }
        // a claim is begun once
        let (seen, refused, stopped) = (
            JobRun(job: 7, runLease: 1), JobRun(job: 7, runLease: 2), JobRun(job: 7, runLease: 3)
        )
        try send(question(seen, images: 1))
        try send(.input(seen, index: 0, referencePicture(0)))
        guard case .finished(seen, _) = try end() else { return #expect(Bool(false)) }
        try send(question(refused, images: 1))
        try send(.input(refused, index: 0, Data("GIF89a".utf8)))
        guard case .failed(refused, _) = try end() else { return #expect(Bool(false)) }
        try send(drawing(stopped, images: 5000))
        try send(.cancel(stopped))
        #expect(try end() == .stopped(stopped))
    }

    @Test("counts beyond what can be are refused by their option, and the supervisor knows the limit of threads")
    func counts() throws {
        #expect(WorkerSettings.threadsMax == Threads.threadsMax)
        for (option, value) in [
            ("--threads", "257"), ("--threads", "0"), ("--jobs", "9223372036854775807"),
            ("--cache-mib", "9223372036854775807"),
        ] {
            let result = try TestProcess.run(
                Reference.executable("janus-worker"), ["--socket=0", "--model=\(tinyFolder)", "\(option)=\(value)"])
            #expect(result.status == 64 && result.errors.contains("\(option) is \(value)"), "\(result)")
        }
    }

    @Test("the worker links neither libpq nor libcurl")
    func linkage() throws {
        let result = try TestProcess.run(URL(filePath: "/usr/bin/ldd"), [Reference.executable("janus-worker").path])
        #expect(result.output.contains("libopenblas") && result.output.contains("libseccomp"))
        #expect(!result.output.contains("libpq") && !result.output.contains("libcurl"))
    }
}
