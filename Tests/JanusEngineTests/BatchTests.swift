import Foundation
import JanusEngine
import JanusJob
import JanusModel
import JanusTensor
import TestSupport
import Testing

/// Nine jobs of both kinds: images with and without guidance, one and several, answers with and without pictures, two of
/// the same question, drawn and greedy.
enum MixedJobs {
    static let all: [(task: JobTask, pictures: [Int])] = [
        (image("a red fox"), []),
        (answer("Describe this scene in detail.", images: 1), [0]),
        (image("two blue birds 猫", images: 3) { $0.seed = 5 }, []),
        (answer("What is 12 + 345?") { $0.temperature = 1 }, []),
        (answer("Describe this scene in detail.", images: 1) { $0.temperature = 0.7 }, [0]),
        (image("a red fox") { $0.cfgWeight = 1 }, []),
        (answer(String(repeating: "猜猜这是哪里？", count: 60), images: 2, maxTokens: 9), [0, 1]),
        (image("a") { $0.format = .webp }, []),
        (answer("Hi", maxTokens: 40) { $0.topP = 0.8 }, []),
    ]

    static func image(
        _ prompt: String, images: Int = 1, change: (inout GenerateParameters) -> Void = { _ in }
    ) -> JobTask {
        var parameters = GenerateParameters(prompt: prompt, images: images, seed: 7)
        change(&parameters)
        return .generate(parameters)
    }

    static func answer(
        _ question: String, images: Int = 0, maxTokens: Int = 24, change: (inout AnswerParameters) -> Void = { _ in }
    ) -> JobTask {
        var parameters = AnswerParameters(
            messages: [ChatMessage(role: .user, content: question, images: images)], maxTokens: maxTokens, seed: 3)
        change(&parameters)
        return .chat(parameters)
    }
}

func packedEngine(
    _ precision: String = "int8", kv: KeyValueFormat? = nil, threads: Int = 1, cacheBytesMax: Int = 1 << 30,
    jobsMax: Int = 16
) throws -> Engine {
    var options = Engine.Options(threads: threads)
    options.keyValueFormat = kv
    options.cacheBytesMax = cacheBytesMax
    options.jobsMax = jobsMax
    return try Engine.load(ModelLocation.find(TinyPack.path(precision)), name: "tiny", options: options)
}

@Suite("many jobs in one batch")
struct BatchTests {
    /// Gives the jobs in as soon as the batch takes them, and runs it until all are over.
    /// - Parameter goesOn: asked with the job's index whenever its observer is.
    private func run(
        _ engine: Engine, _ jobs: [(task: JobTask, pictures: [Int])],
        goesOn: @escaping (Int, JobProgress) -> Bool = { _, _ in true }
    ) throws -> [Result<JobProduct, Interruption>] {
        var ends = [Result<JobProduct, Interruption>?](repeating: nil, count: jobs.count)
        var next = 0
        while next < jobs.count || !engine.batcher.isIdle {
            while next < jobs.count, engine.batcher.wantsJob {
                let index = next
                next += 1
                engine.batcher.submit(
                    jobs[index].task, pictures: try jobs[index].pictures.map(referencePicture),
                    observer: { goesOn(index, $0) },
                    end: { end in
                        #expect(ends[index] == nil)
                        ends[index] = end
                    })
            }
            engine.batcher.advance()
        }
        return try ends.map { try #require($0) }
    }

    /// Without what was measured.
    private static func bytes(_ end: Result<JobProduct, Interruption>) throws -> JobProduct {
        switch try end.get() {
        case .images(let images, _): return .images(images, JobUsage())
        case .answer(var answer):
            answer.usage = JobUsage()
            return .answer(answer)
        }
    }

    private func bytes(_ end: Result<JobProduct, Interruption>) throws -> JobProduct { try Self.bytes(end) }

    struct Packing: Hashable, Sendable {
        var precision = "int8"
        var kv: KeyValueFormat = .int8

        static let all = ["int8", "int4", "bf16"].flatMap { precision in
            KeyValueFormat.allCases.map { Packing(precision: precision, kv: $0) }
        }
    }

    /// What each of the jobs gives when no other is there, with one thread.
    private static let alone = Dictionary(
        uniqueKeysWithValues: Packing.all.map { packing in
            (packing, Result { try alone(packedEngine(packing.precision, kv: packing.kv)) })
        })

    private static func alone(_ engine: Engine) throws -> [JobProduct] {
        try MixedJobs.all.map { job in
            switch job.task {
            case .generate(let parameters): .images(try engine.generate(parameters).images, JobUsage())
            case .understand(let parameters), .chat(let parameters):
                try bytes(.success(.answer(engine.answer(parameters, pictures: job.pictures.map(referencePicture)))))
            }
        }
    }

    private func expected(_ packing: Packing = Packing()) throws -> [JobProduct] {
        try #require(Self.alone[packing]).get()
    }

    @Test(
        "a job's tokens and pixels are the same alone, among eight others, in any order, with one thread and with two",
        arguments: Packing.all)
    func invariance(packing: Packing) throws {
        let expected = try expected(packing)
        for threads in [1, 2] {
            let engine = try packedEngine(packing.precision, kv: packing.kv, threads: threads)
            let isReversed = threads == 2
            let found = try run(engine, isReversed ? MixedJobs.all.reversed() : MixedJobs.all).map(bytes)
            #expect((isReversed ? found.reversed() : found) == expected)
        }
    }

    @Test("jobs that come in while others run change nothing for them")
    func lateComers() throws {
        let expected = try expected()
        let engine = try packedEngine(jobsMax: 3)
        #expect(try run(engine, MixedJobs.all).map(bytes) == expected)
    }

    @Test("f32 takes one job at a time, and the results are those of single jobs")
    func dense() throws {
        var options = Engine.Options(threads: 1)
        options.jobsMax = 8
        let engine = try Engine.load(ModelLocation.find(tinyFolder), name: "tiny", options: options)
        #expect(engine.jobsWithRoom == 1)
        var live: Set<Int> = []
        let ends = try run(engine, MixedJobs.all) { index, progress in
            live.insert(index)
            return true
        }
        #expect(live.count == 9)
        func tokens(_ product: JobProduct) -> [[Int32]] {
            switch product {
            case .images(let images, _): images.map(\.tokens)
            case .answer(let answer): [answer.tokens]
            }
        }
        let single = try Self.alone(tinyEngine())
        #expect(try ends.map { tokens(try bytes($0)) } == single.map(tokens))
    }

    @Test("a stopped job leaves the others as they are, whenever it stops", arguments: [0, 2, 9, 20])
    func stopping(after calls: Int) throws {
        let expected = try expected()
        let engine = try packedEngine()
        let stopped = [2, 4, 8]
        var counts = [Int](repeating: 0, count: 9)
        let ends = try run(engine, MixedJobs.all) { index, _ in
            counts[index] += 1
            return !stopped.contains(index) || counts[index] <= calls
        }
        for (index, end) in ends.enumerated() {
            if stopped.contains(index) {
                #expect(throws: Interruption.stopped) { try end.get() }
                #expect(counts[index] == calls + 1)
            } else {
                #expect(try bytes(end) == expected[index])
            }
        }
    }

    /// The greatest of them needs about 560 positions in its own row and 70 in its prefix: eleven pages of 20 KiB.
    @Test(
        "with little room for keys and values jobs wait for each other, none fails, all are the same",
        arguments: [225, 260, 310, 420])
    func narrow(kibibytes: Int) throws {
        let expected = try expected()
        let limit = kibibytes << 10
        let engine = try packedEngine(cacheBytesMax: limit)
        var usedMax = 0
        let ends = try run(engine, MixedJobs.all) { _, _ in
            usedMax = max(usedMax, engine.batcher.cacheBytesUsed)
            return true
        }
        #expect(try ends.map(bytes) == expected)
        #expect(usedMax <= limit && usedMax > limit / 2)
        // what is left is prefixes for later jobs
        #expect(engine.batcher.cacheBytesUsed <= limit / 2)
    }

    @Test("jobs are served in the order in which they came, also where a small one would fit before a large one")
    func order() throws {
        let engine = try packedEngine(cacheBytesMax: 600 << 10)
        var began: [Int] = []
        let large = MixedJobs.answer("q", maxTokens: 400)
        let jobs = [large, large, MixedJobs.answer("q", maxTokens: 2)].map { (task: $0, pictures: [Int]()) }
        _ = try run(engine, jobs) { index, progress in
            if progress.phase == .drawing, !began.contains(index) { began.append(index) }
            return true
        }
        #expect(began == [0, 1, 2])
    }

    @Test("a job that could never fit is refused with what it needs and what there is, and the next is served")
    func tooLarge() throws {
        let engine = try packedEngine(cacheBytesMax: 100 << 10)
        for task in [MixedJobs.answer("q", maxTokens: 2000), MixedJobs.image(String(repeating: "fox ", count: 200))] {
            let end = try run(engine, [(task: task, pictures: [])])[0]
            guard case .failure(.failed(let error)) = end else { return #expect(Bool(false), "\(end)") }
            #expect(error.code == .memoryExceeded && !error.retryable)
            #expect(error.message.contains(" 0.1 MiB") && error.message.contains("workers.cache_mib"), "\(error)")
        }
        #expect(engine.batcher.cacheBytesUsed == 0)
        _ = try run(engine, [(task: MixedJobs.answer("q", maxTokens: 2), pictures: [])])[0].get()
    }

    @Test("the unconditional prompt, a repeated prompt and a repeated picture are computed once")
    func prefixes() throws {
        let engine = try packedEngine()
        let cat = MixedJobs.image("a red cat")
        _ = try run(engine, [(MixedJobs.image("a red fox", images: 3), []), (cat, []), (cat, [])])
        // three prompts, of one length
        #expect(engine.batcher.prefixes.computed == 3 && engine.batcher.prefixes.found == 3)
        let questions = ["What is it?", "Where is it?"].map { (task: MixedJobs.answer($0, images: 1), pictures: [0]) }
        _ = try run(engine, questions)
        _ = try run(engine, questions)
        #expect(engine.batcher.prefixes.computed == 4 && engine.batcher.prefixes.found == 6)
        _ = try run(engine, [(task: MixedJobs.answer("What is it?", images: 1), pictures: [1])])
        #expect(engine.batcher.prefixes.computed == 5)
    }

    @Test("prefixes are given up when a job needs their room")
    func eviction() throws {
        let limit = 200 << 10
        let engine = try packedEngine(cacheBytesMax: limit)
        let jobs = (0..<12).map { index in
            (task: MixedJobs.image(String(repeating: "fox ", count: index % 7 + 1)), pictures: [Int]())
        }
        for end in try run(engine, jobs) { _ = try end.get() }
        #expect(engine.batcher.cacheBytesUsed <= limit / 2)
    }

    @Test("waiting prompts go in piece by piece beside the steps of running jobs, in order of arrival")
    func plan() {
        typealias Piece = PassPlan.Piece
        #expect(PassPlan(sequences: 0, fills: [], isMixed: true).isEmpty)
        #expect(PassPlan(sequences: 3, fills: [], isMixed: true).pieces.isEmpty)
        let beside = PassPlan(sequences: 1, fills: [0, 20, 646], isMixed: true)
        #expect(beside.steps)
        #expect(
            beside.pieces == [
                Piece(fill: 1, positions: 20), Piece(fill: 2, positions: PassPlan.positionsBesideSteps - 20),
            ])
        let free = PassPlan(sequences: 0, fills: [646, 5], isMixed: true)
        #expect(free.pieces == [Piece(fill: 0, positions: PassPlan.positionsMax)])
        // OpenBLAS: each piece in a pass of its own
        let dense = PassPlan(sequences: 4, fills: [20, 30], isMixed: false)
        #expect(!dense.steps && dense.pieces == [Piece(fill: 0, positions: 20)])
    }

    @Test("how keys and values are kept is a choice, which the fingerprint tells")
    func keyValueFormats() throws {
        let prints = try [nil, KeyValueFormat.int8, .bf16].map { try packedEngine(kv: $0).fingerprint }
        #expect(prints[0] == prints[1] && prints[1] != prints[2])
        #expect(prints[1].hasPrefix("int8/kv-int8/") && prints[2].hasPrefix("int8/kv-bf16/"))
        #expect(try packedEngine("bf16").fingerprint.hasPrefix("bf16/kv-bf16/"))
        #expect(try expected() != expected(Packing(kv: .bf16)))
        // twice the width has half the room
        let bytes = try KeyValueFormat.allCases.map { try packedEngine(kv: $0).configuration.cacheBytesPerPosition }
        #expect(Double(bytes[0]) / Double(bytes[1]) > 1.5)
    }
}
