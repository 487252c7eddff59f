import CAllocations
import Foundation
import JanusEngine
import JanusJob
import JanusModel

/// Counts the allocations of steps in which several images and texts are drawn and a further job waits for room. A program
/// of its own, so that nothing else allocates beside it.
@main struct StepAllocations {
    static func main() {
        do { print(try report()) } catch {
            print(error)
            exit(1)
        }
    }

    private static func report() throws -> String {
        guard CommandLine.arguments.count == 2 else { throw Failure(description: "step-allocations PACK") }
        try checkCounter()
        let pack = CommandLine.arguments[1]
        let (engine, phases) = try start(pack, jobs, cacheBytesMax: bytes(of: waiting, pack) * 13 / 10)
        var steps = 0
        while !phases.areSteady {
            guard steps < stepsMax else { throw Failure(description: "after \(steps) steps: \(phases)") }
            engine.batcher.advance()
            steps += 1
        }
        for _ in 0..<stepsBefore { engine.batcher.advance() }
        janus_allocations_begin()
        for _ in 0..<stepsCounted { engine.batcher.advance() }
        let count = janus_allocations_end()
        janus_allocations_print()
        guard phases.areSteady else { throw Failure(description: "a job's phase changed: \(phases)") }
        return "\(count) allocations in \(stepsCounted) steps"
    }

    private static func start(
        _ pack: String, _ jobs: [JobTask], cacheBytesMax: Int
    ) throws -> (engine: Engine, phases: Phases) {
        var options = Engine.Options(threads: 2)
        options.cacheBytesMax = cacheBytesMax
        options.jobsMax = jobs.count
        let engine = try Engine.load(ModelLocation.find(pack), options: options)
        let phases = Phases(jobs.count)
        for (index, job) in jobs.enumerated() {
            engine.batcher.submit(
                job,
                observer: { progress in
                    phases[index] = progress.phase
                    return true
                }, end: { _ in phases[index] = .delivering })
        }
        return (engine, phases)
    }

    /// Of keys and values, that a job takes.
    private static func bytes(of job: JobTask, _ pack: String) throws -> Int {
        let (engine, _) = try start(pack, [job], cacheBytesMax: 1 << 30)
        engine.batcher.advance()
        return engine.batcher.cacheBytesUsed
    }

    private static let stepsMax = 100
    private static let stepsBefore = 2
    /// With those before, fewer than the tokens of the small model's pictures.
    private static let stepsCounted = 10

    private static let jobs: [JobTask] = [
        image("a red fox") { $0.topK = 20 },
        image("two birds") { $0.images = 2 },
        image("a red fox") { $0.cfgWeight = 1 },
        image("a") { $0.temperature = 0 },
        text("Hi") { $0.temperature = 0 },
        text("Hi") { $0.stop = ["never there", "nor this"] },
        text("What is 12 + 345?") { $0.topP = 0.8 },
        waiting,
    ]

    /// Takes more than there is beside the others.
    private static let waiting = text("Hi") { $0.maxTokens = 3000 }

    private static func image(_ prompt: String, change: (inout GenerateParameters) -> Void) -> JobTask {
        var parameters = GenerateParameters(prompt: prompt, images: 1, seed: 7)
        change(&parameters)
        return .generate(parameters)
    }

    private static func text(_ question: String, change: (inout AnswerParameters) -> Void) -> JobTask {
        var parameters = AnswerParameters(
            messages: [ChatMessage(role: .user, content: question, images: 0)], maxTokens: 200, seed: 3)
        parameters.temperature = 1
        change(&parameters)
        return .chat(parameters)
    }

    /// Whether an object, an array and a mapping are seen, on another thread too.
    private static func checkCounter() throws {
        janus_allocations_begin()
        let thread = Thread {
            withExtendedLifetime(Phases(1)) {}
            let page = unsafe mmap(nil, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if let page = unsafe page { unsafe munmap(page, 1) }
            done.signal()
        }
        let before = janus_allocations_end()
        janus_allocations_begin()
        thread.start()
        done.wait()
        let count = janus_allocations_end()
        guard before > 0, count >= 3 else { throw Failure(description: "\(before), \(count) allocations were seen") }
    }

    private static let done = DispatchSemaphore(value: 0)
}

/// Where each job is.
private final class Phases: CustomStringConvertible {
    private var phases: [JobPhase]

    init(_ count: Int) { phases = Array(repeating: .preparing, count: count) }

    subscript(index: Int) -> JobPhase {
        get { phases[index] }
        set { phases[index] = newValue }
    }

    /// All draw but the last, which waits.
    var areSteady: Bool { phases.dropLast().allSatisfy { $0 == .drawing } && phases.last == .prefill }

    var description: String { phases.map(\.rawValue).joined(separator: ", ") }
}

private struct Failure: Error, CustomStringConvertible { var description: String }
