import ArgumentParser
import Foundation
import JanusEngine
import JanusJob
import JanusSystem
import JanusTensor

/// The program's entry: what must come before anything else, then the command.
@main
enum Main {
    static func main() {
        // a limit on file sizes is an error to report, not a death
        signal(SIGXFSZ, SIG_IGN)
        ProcessorChoice.restartIfNeeded()
        JanusWorker.main()
    }
}

struct JanusWorker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "janus-worker",
        abstract: "Computes janusd's jobs: one model, one socket, no network, no files, no credentials.",
        discussion: """
            janusd starts this program and talks to it over an inherited socket; people rarely need to. It loads the \
            model, gives up the right to open files, sockets and processes (seccomp), says that it is ready, and serves \
            jobs until the socket closes. To try a model by hand, use janus-model.

            Exit status: 0 the socket was closed or shutdown asked for; 64 wrong arguments; 65 a malformed frame came in; \
            74 the socket failed; 78 the model or the sandbox could not be set up. Errors are on standard error.
            """)

    @Option(help: "File descriptor of the connected stream socket to the supervisor.") var socket: Int32?
    @Option(
        help:
            "Directory of the checkpoint (config.json, safetensors, tokenizer.json, preprocessor_config.json), or a pack."
    )
    var model: String?
    @Option(help: "What the model is called in outputs (default: its own name).") var modelName: String?
    @Option(help: "Threads to compute with (default: one a processor).") var threads: Int?
    @Option(help: "What a checkpoint runs in; a pack keeps its own.") var precision = Precision.f32
    @Option(help: "Directory of the packs that every --precision but f32 needs, shared with other workers.")
    var packs: String?
    @Option(help: "Jobs to compute at once (f32: always one).") var jobs = Engine.Options().jobsMax
    @Option(help: "MiB of memory for keys and values of all jobs together.")
    var cacheMib = Engine.Options().cacheBytesMax >> 20
    @Option(help: "How a pack keeps keys and values (default: int8, of a bf16 pack bf16).")
    var cacheFormat: KeyValueFormat?
    @Flag(help: "Enter the sandbox, try to get out of it, say what happened, and exit.") var checkSandbox = false

    func validate() throws {
        if checkSandbox { return }
        guard let socket, socket >= 0 else {
            throw ValidationError("--socket needs a file descriptor: janusd passes it")
        }
        guard model != nil else { throw ValidationError("--model needs a checkpoint's directory or a pack") }
        guard precision == .f32 || packs != nil else {
            throw ValidationError("--precision \(precision.rawValue) needs --packs, a directory to keep the pack in")
        }
        try Self.check(threads ?? 1, within: 1...Threads.threadsMax, "--threads")
        try Self.check(jobs, within: 1...Self.jobsMax, "--jobs")
        try Self.check(cacheMib, within: 1...Self.cacheMebibytesMax, "--cache-mib")
    }

    /// Far beyond any machine, and near enough that no count of bytes overflows.
    private static let jobsMax = 1 << 12
    private static let cacheMebibytesMax = 1 << 24

    private static func check(_ value: Int, within range: ClosedRange<Int>, _ option: String) throws {
        guard range.contains(value) else {
            throw ValidationError("\(option) is \(value), expected \(range.lowerBound)…\(range.upperBound)")
        }
    }

    func run() throws {
        if checkSandbox { return try Sandbox.check() }
        guard let socket, let model else { return }
        signal(SIGPIPE, SIG_IGN)
        var options = Engine.Options()
        if let threads { options.threads = threads }
        options.jobsMax = jobs
        options.cacheBytesMax = cacheMib << 20
        options.keyValueFormat = cacheFormat

        let connection = Connection(socket: socket)
        let inbox = Inbox(connection: connection)
        // Before the model is loaded: nobody may be there any more when it is.
        inbox.startReading()
        let engine: Engine
        do throws(EngineError) {
            let choice = try PackChoice.find(
                model, name: modelName, precision: precision, cache: packs, options)
            engine = try Engine.load(choice.location, name: choice.name, options: options)
        } catch {
            WorkerExit.configuration.end("cannot load the model: \(error.description)")
        }
        Sandbox.enter(moreBytes: Self.memoryBytesMax(jobs: jobs, engine))
        Server(engine: engine, inbox: inbox, connection: connection).serve()
    }
}

extension JanusWorker {
    /// What serving takes at most beside what a loaded model has: the pictures of jobs as they came, and what computing takes.
    /// The keys and values of packs, the threads' stacks and the kernels' buffers are there already; f32 takes keys and values,
    /// and activations of whole prompts, as they come.
    fileprivate static func memoryBytesMax(jobs: Int, _ engine: Engine) -> Int {
        jobs * inputBytesMax + computingBytes
            + (engine.isPacked ? 0 : engine.options.cacheBytesMax + activationBytes)
    }

    /// Measured as growth of VmData after the loading: 0.9 GiB for the largest picture that is decoded (a progressive JPEG of
    /// 64 Mi CMYK pixels; WebP with alpha 0.7, PNG 0.5), 0.2 GiB for drawing and seeing at Janus-Pro-1B's size, 0.01 GiB for eight jobs
    /// of janus-nano at once, with 2 threads and with 32.
    private static let computingBytes = 2 << 30
    /// Counted, not measured: half of it for 4,096 positions at Janus-Pro-7B's size.
    private static let activationBytes = 2 << 30
}

extension Precision: ExpressibleByArgument {}
extension KeyValueFormat: ExpressibleByArgument {}

/// The ways this process ends, by sysexits.h.
enum WorkerExit: Int32 {
    case done = 0
    case malformedFrame = 65
    case socketFailed = 74
    case configuration = 78

    /// Ends the process at once: other threads may be in the middle of anything.
    func end(_ message: String? = nil) -> Never {
        if let message { writeToStandardError("janus-worker: \(message)\n") }
        _exit(rawValue)
    }
}
