package import Foundation
package import JanusJob
import JanusModel
import JanusTensor

/// All jobs of a worker in one batch.
///
/// Each `advance` draws a token for every live sequence of every job and runs them through the model in one pass, with
/// a bounded piece of the prompts that wait; then it does a bounded part of the work beside: picture decoding and
/// encoding. Jobs come in between two passes, when the cache has room for all that they will need, first come first
/// served; so none can run out of memory in the middle.
///
/// With packed weights a job's result does not depend on the others. f32 is not so (OpenBLAS): there jobs run one at a
/// time, and each piece of a prompt in a pass of its own.
///
/// Not `Sendable`: it belongs to the thread that computes.
package final class Batcher {
    package typealias End = (Result<JobProduct, Interruption>) -> Void

    private struct Entry {
        var job: any BatchedJob
        var end: End
    }

    private let resources: BatchResources
    private let jobsMax: Int
    private var entries: [Entry] = []
    /// Of the last pass.
    private var passSeconds = 0.0

    init(_ engine: EngineParts) throws(ModelError) {
        resources = try BatchResources(engine, cacheBytesMax: engine.options.cacheBytesMax)
        jobsMax = engine.jobsMax
    }

    package var isIdle: Bool { entries.isEmpty }

    /// Whether another job can be taken: there are not too many, and none waits for room.
    package var wantsJob: Bool { entries.count < jobsMax && (entries.last?.job.isReserved ?? true) }

    /// Of keys and values, in use: by jobs and by prefixes that wait for the next.
    package var cacheBytesUsed: Int { resources.cache.bytesUsed }
    /// How often a job found a prefix there, and how often it had to be computed.
    package var prefixes: (found: Int, computed: Int) { (resources.prefixes.found, resources.prefixes.computed) }

    /// Takes a job in: what can be judged without computing is judged now.
    /// - Parameters:
    ///   - pictures: files, in the order of the messages that they belong to.
    ///   - emit: told each part of an answer's text as soon as it is certain.
    ///   - end: called once; `stopped` when the observer said so, or `failed` with invalidRequest, invalidImage,
    ///     inputTooLarge, promptTooLong, memoryExceeded or internalError.
    package func submit(
        _ task: JobTask, pictures: [Data] = [], observer: @escaping EngineObserver,
        emit: @escaping (String) -> Void = { _ in }, end: @escaping End
    ) {
        let run = EngineRun(observer: observer)
        do throws(Interruption) {
            if run.wantsToStop() { throw .stopped }
            let job: any BatchedJob =
                switch task {
                case .generate(let parameters): try ImageJob(parameters, resources, run: run)
                case .answer(let parameters):
                    try AnswerJob(parameters, pictures: pictures, resources, run: run, emit: emit)
                }
            run.enter(.prefill)
            entries.append(Entry(job: job, end: end))
        } catch {
            end(.failure(error))
        }
    }

    /// One token for every sequence, a piece of the waiting prompts, a part of the work beside.
    package func advance() {
        for entry in entries where entry.job.run.wantsToStop() { entry.job.fail(.stopped) }
        settle()
        for entry in entries where !entry.job.isReserved { entry.job.reserve() }
        for entry in entries { entry.job.proceed() }
        drawTokens()
        settle()
        runPass()
        resources.side.advance(afterPassOf: passSeconds)
        settle()
    }

    /// Ends the jobs that are over.
    private func settle() {
        let over = entries.filter { $0.job.outcome != nil }
        guard !over.isEmpty else { return }
        entries.removeAll { $0.job.outcome != nil }
        for entry in over {
            entry.job.release()
            guard let outcome = entry.job.outcome else { continue }
            // The last progress, and the last chance to say no.
            let isUnwanted = entry.job.run.wantsToStop()
            if isUnwanted, case .success = outcome { entry.end(.failure(.stopped)) } else { entry.end(outcome) }
        }
    }

    // MARK: drawing

    private func drawTokens() {
        for head in [Lane.Head.image, .text] {
            let lanes = entries.flatMap(\.job.lanes).filter { $0.head == head && $0.hidden != nil }
            guard !lanes.isEmpty else { continue }
            let logits = logits(of: lanes, head)
            var first = 0
            let views = lanes.map { lane in
                defer { first += lane.rows.count }
                return logits[first..<first + lane.rows.count]
            }
            let tokens = Threads.map(lanes.count) { lanes[$0].job.draw(views[$0], for: lanes[$0]) }
            for (lane, token) in zip(lanes, tokens) {
                lane.hidden = nil
                lane.job.accept(token, for: lane)
            }
        }
    }

    /// [rows of all lanes, tokens]
    private func logits(of lanes: [Lane], _ head: Lane.Head) -> Matrix {
        let configuration = resources.engine.configuration
        let rows = lanes.reduce(0) { $0 + $1.rows.count }
        let hidden = resources.rooms.hidden.matrix(rows: rows, columns: configuration.hiddenSize)
        hidden.stack(lanes.lazy.compactMap(\.hidden))
        switch head {
        case .image:
            let logits = resources.rooms.logits.matrix(rows: rows, columns: configuration.codebookSize)
            resources.engine.model.imageLogits(hidden, into: logits)
            return logits
        case .text:
            let logits = resources.rooms.logits.matrix(rows: rows, columns: configuration.language.vocabularySize)
            resources.engine.model.textLogits(hidden, into: logits)
            return logits
        }
    }

    // MARK: the pass

    private func runPass() {
        passSeconds = 0
        resources.fills.removeAll { $0.isAbandoned || $0.last != nil }
        let lanes = entries.flatMap(\.job.lanes).filter(\.isFed)
        let plan = PassPlan(
            lanes: lanes.count, fills: resources.fills.map(\.ready), isMixed: resources.engine.isInvariant)
        guard !plan.isEmpty else { return }
        let start = ContinuousClock.now
        let model = resources.engine.model
        model.interrupt = { [unowned self] in isUnwanted }
        do throws(ModelError) {
            try run(plan, lanes: plan.steps ? lanes : [])
        } catch {
            // An interrupted pass is one that no job wanted: each will say so when it is asked.
            let interruption = Interruption(error)
            if interruption != .stopped { for entry in entries { entry.job.fail(interruption) } }
        }
        model.interrupt = { false }
        passSeconds = (ContinuousClock.now - start) / .seconds(1)
        for entry in entries { entry.job.charge(seconds: passSeconds) }
    }

    private func run(_ plan: PassPlan, lanes: [Lane]) throws(ModelError) {
        let model = resources.engine.model
        let images = lanes.filter { $0.head == .image }
        let texts = lanes.filter { $0.head == .text }
        let stepped = images + texts
        var spans = stepped.flatMap(\.rows).map { JanusModel.Span(row: $0) }
        let fills = plan.pieces.map { (fill: resources.fills[$0.fill], count: $0.positions) }
        for (fill, count) in fills { spans.append(JanusModel.Span(row: fill.row, positions: count)) }

        let rows = spans.reduce(0) { $0 + $1.positions }
        let columns = resources.engine.configuration.hiddenSize
        let embeddings = resources.rooms.embeddings.matrix(rows: rows, columns: columns)
        let hidden = resources.rooms.passed.matrix(rows: rows, columns: columns)
        var first = 0
        func take(_ count: Int, of matrix: Matrix) -> Matrix {
            defer { first += count }
            return matrix[first..<first + count]
        }
        let drawn = images.flatMap { lane in lane.rows.map { _ in lane.token } }
        try model.embed(imageTokens: drawn, into: take(drawn.count, of: embeddings))
        try model.embed(tokens: texts.map(\.token), into: take(texts.count, of: embeddings))
        for (fill, count) in fills { take(count, of: embeddings).copy(from: fill.next(count)) }
        try model.forward(embeddings, spans: spans, cache: resources.cache, into: hidden)
        first = 0
        for lane in stepped {
            lane.hidden = take(lane.rows.count, of: hidden)
            lane.isFed = false
        }
        for (fill, count) in fills { fill.receive(take(count, of: hidden)) }
    }

    /// Whether no job wants the pass that is running. Each is asked: for some this is the only sign of life in seconds.
    private var isUnwanted: Bool {
        let stopped = entries.count { $0.job.run.wantsToStop() }
        return stopped == entries.count
    }
}

extension Lane {
    /// What is fed back.
    fileprivate var token: Int32 { tokens[tokens.count - 1] }
}
