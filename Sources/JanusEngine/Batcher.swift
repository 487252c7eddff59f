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
    /// Asked within a pass.
    private var interrupt: () -> Bool = { false }

    // What a step gathers, in memory that all steps use: the sequences that it is about, their logits and what they draw, what
    // goes into the pass.
    private var sequences: [TokenSequence] = []
    private var logits: [Matrix] = []
    private var sampled: [Int?] = []
    private var plan = PassPlan()
    private var spans: [JanusModel.Span] = []
    private var tokens: [Int32] = []

    init(_ engine: EngineParts) throws(ModelError) {
        resources = try BatchResources(engine, cacheBytesMax: engine.options.cacheBytesMax)
        jobsMax = engine.jobsMax
        interrupt = { [unowned self] in isUnwanted }
        sequences.reserveCapacity(BatchResources.rowsMax)
        logits.reserveCapacity(BatchResources.rowsMax)
        sampled.reserveCapacity(BatchResources.rowsMax)
        spans.reserveCapacity(BatchResources.passPositionsMax)
        tokens.reserveCapacity(BatchResources.rowsMax)
    }

    package var isIdle: Bool { entries.isEmpty }

    /// Whether another job can be taken: there are not too many, and none waits for room.
    package var wantsJob: Bool { entries.count < jobsMax && (entries.last?.job.isReserved ?? true) }

    /// Of keys and values, in use: by jobs and by prefixes that wait for the next.
    package var cacheBytesUsed: Int { resources.cache.bytesUsed }
    /// How often a job found a prefix there, and how often it had to be computed.
    package var prefixes: (found: Int, computed: Int) { (resources.prefixes.found, resources.prefixes.computed) }

    /// Gives up the prefixes that no job uses, so that the next jobs compute their own: for measurements.
    package func dropUnusedPrefixes() { resources.prefixes.dropUnused() }

    /// Takes a job in: what can be judged without computing is judged now.
    /// - Parameters:
    ///   - pictures: files, in the order of the messages that they belong to.
    ///   - emit: told each part of an answer's text as soon as it is certain; nil makes no parts.
    ///   - end: called once; `stopped` when the observer said so, or `failed` with invalidRequest, invalidImage,
    ///     inputTooLarge, promptTooLong, memoryExceeded or internalError.
    package func submit(
        _ task: JobTask, pictures: [Data] = [], observer: @escaping EngineObserver,
        emit: ((String) -> Void)? = nil, end: @escaping End
    ) {
        let reporter = JobProgressReporter(observer: observer)
        do throws(Interruption) {
            if reporter.wantsToStop() { throw .stopped }
            let job: any BatchedJob =
                switch task {
                case .generate(let parameters): try ImageJob(parameters, resources, reporter: reporter)
                case .understand(let parameters), .chat(let parameters):
                    try AnswerJob(parameters, pictures: pictures, resources, reporter: reporter, emit: emit)
                }
            reporter.enter(.prefill)
            entries.append(Entry(job: job, end: end))
        } catch {
            end(.failure(error))
        }
    }

    /// One token for every sequence, a piece of the waiting prompts, a part of the work beside.
    ///
    /// With packed weights a step allocates nothing: it has what was allocated with the engine and with its jobs. Jobs that
    /// begin or end allocate, and so do prompts, the work beside, and the strings that an answer's listener is told.
    package func advance() {
        for entry in entries where entry.job.reporter.wantsToStop() { entry.job.fail(.stopped) }
        settle()
        for entry in entries where !entry.job.isReserved { entry.job.reserve() }
        for entry in entries { entry.job.proceed() }
        drawTokens(.image)
        drawTokens(.text)
        settle()
        runPass()
        // between the last layer and the work beside
        for entry in entries { entry.job.reporter.wantsToStop() }
        resources.betweenPasses.advance(afterPassOf: passSeconds)
        settle()
    }

    /// Ends the jobs that are over.
    private func settle() {
        guard entries.contains(where: { $0.job.outcome != nil }) else { return }
        let over = entries.filter { $0.job.outcome != nil }
        entries.removeAll { $0.job.outcome != nil }
        for entry in over {
            entry.job.release()
            guard let outcome = entry.job.outcome else { continue }
            // The last progress, and the last chance to say no.
            let isUnwanted = entry.job.reporter.wantsToStop()
            if isUnwanted, case .success = outcome { entry.end(.failure(.stopped)) } else { entry.end(outcome) }
        }
    }

    /// Adds those sequences of all jobs that are due.
    private func gather(_ head: TokenSequence.Head, where isDue: (TokenSequence) -> Bool) {
        for entry in entries {
            for sequence in entry.job.sequences where sequence.head == head && isDue(sequence) {
                sequences.append(sequence)
            }
        }
    }

    // MARK: sampling

    private func drawTokens(_ head: TokenSequence.Head) {
        sequences.removeAll(keepingCapacity: true)
        gather(head) { $0.hidden != nil }
        guard !sequences.isEmpty else { return }
        let all = computeLogits(head)
        let scratchRows = all.rows - sequences.count
        var first = 0
        logits.removeAll(keepingCapacity: true)
        for sequence in sequences {
            logits.append(all[first..<first + sequence.rows.count])
            first += sequence.rows.count
        }
        Threads.map(sequences.count, into: &sampled) { [sequences, logits] index in
            let scratch = all[scratchRows + index..<scratchRows + index + 1]
            return sequences[index].job.draw(logits[index], scratch: scratch, for: sequences[index])
        }
        for (sequence, token) in zip(sequences, sampled) {
            sequence.hidden = nil
            sequence.job.accept(token, for: sequence)
        }
    }

    /// - Returns: [rows of all sequences and one more for each sequence, tokens]; these last ones are scratch.
    private func computeLogits(_ head: TokenSequence.Head) -> Matrix {
        let model = resources.engine.model
        let rows = sequences.reduce(0) { $0 + $1.rows.count }
        let hidden = resources.scratch.hidden.matrix(rows: rows, columns: model.configuration.hiddenSize)
        var first = 0
        for sequence in sequences {
            if let own = sequence.hidden { hidden[first..<first + sequence.rows.count].copy(from: own) }
            first += sequence.rows.count
        }
        let columns =
            switch head {
            case .image: model.configuration.codebookSize
            case .text: model.configuration.language.vocabularySize
            }
        let logits = resources.scratch.logits.matrix(rows: rows + sequences.count, columns: columns)
        switch head {
        case .image: model.imageLogits(hidden, into: logits[0..<rows])
        case .text: model.textLogits(hidden, into: logits[0..<rows])
        }
        return logits
    }

    // MARK: the pass

    private func runPass() {
        passSeconds = 0
        resources.fills.removeAll { $0.isAbandoned || $0.last != nil }
        sequences.removeAll(keepingCapacity: true)
        gather(.image) { $0.isFed }
        gather(.text) { $0.isFed }
        plan.decide(
            sequences: sequences.count, fills: resources.fills.lazy.map { $0.ready },
            isMixed: resources.engine.isInvariant)
        guard !plan.isEmpty else { return }
        if !plan.steps { sequences.removeAll(keepingCapacity: true) }
        let start = ContinuousClock.now
        let model = resources.engine.model
        model.interrupt = interrupt
        do throws(ModelError) {
            try runPlan()
        } catch {
            // An interrupted pass is one that no job wanted: each will say so when it is asked.
            let interruption = Interruption(error)
            if interruption != .stopped { for entry in entries { entry.job.fail(interruption) } }
        }
        model.interrupt = { false }
        passSeconds = (ContinuousClock.now - start) / .seconds(1)
        for entry in entries { entry.job.charge(seconds: passSeconds) }
    }

    /// Runs the sequences, images' first, and the plan's pieces of prompts.
    private func runPlan() throws(ModelError) {
        let model = resources.engine.model
        spans.removeAll(keepingCapacity: true)
        for sequence in sequences { for row in sequence.rows { spans.append(JanusModel.Span(row: row)) } }
        for piece in plan.pieces {
            spans.append(JanusModel.Span(row: resources.fills[piece.fill].row, positions: piece.positions))
        }
        let rows = spans.reduce(0) { $0 + $1.positions }
        let columns = resources.engine.configuration.hiddenSize
        let embeddings = resources.scratch.embeddings.matrix(rows: rows, columns: columns)
        let hidden = resources.scratch.passed.matrix(rows: rows, columns: columns)
        var first = 0
        func take(_ count: Int, of matrix: Matrix) -> Matrix {
            defer { first += count }
            return matrix[first..<first + count]
        }
        gatherTokens(.image)
        try model.embed(imageTokens: tokens, into: take(tokens.count, of: embeddings))
        gatherTokens(.text)
        try model.embed(tokens: tokens, into: take(tokens.count, of: embeddings))
        for piece in plan.pieces {
            take(piece.positions, of: embeddings).copy(from: resources.fills[piece.fill].next(piece.positions))
        }
        try model.forward(embeddings, spans: spans, cache: resources.cache, into: hidden)
        first = 0
        for sequence in sequences {
            sequence.hidden = take(sequence.rows.count, of: hidden)
            sequence.isFed = false
        }
        for piece in plan.pieces { resources.fills[piece.fill].receive(take(piece.positions, of: hidden)) }
    }

    /// What each row of the sequences is fed.
    private func gatherTokens(_ head: TokenSequence.Head) {
        tokens.removeAll(keepingCapacity: true)
        for sequence in sequences where sequence.head == head {
            for _ in sequence.rows { tokens.append(sequence.tokens[sequence.tokens.count - 1]) }
        }
    }

    /// Whether no job wants the pass that is running. Each is asked: for some this is the only sign of life in seconds.
    private var isUnwanted: Bool {
        let stopped = entries.count { $0.job.reporter.wantsToStop() }
        return stopped == entries.count
    }
}
