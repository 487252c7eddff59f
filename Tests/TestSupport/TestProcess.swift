package import Foundation
import Synchronization

/// A program that a test started: what it writes is kept, signals reach it, and it ends with this object.
///
///     let result = try TestProcess.run(Reference.executable("janus-model"), ["describe", tinyFolder])
///     #expect(result.status == 0, "\(result.errors)")
package final class TestProcess: Sendable {
    /// What it reads.
    package enum Input {
        case nothing
        /// At most the 64 KiB that a pipe holds.
        case text(String)
        /// Open until `closeInput`, or until the end of this object, which then leaves the ending to the program.
        case held
        /// A descriptor, which stays the caller's.
        case descriptor(Int32)
    }

    package let pid: Int32
    private let process = Process()
    private let input: FileHandle?
    private let seen = Seen()

    /// - Parameters:
    ///   - environment: the whole of it, but PATH; nil is this process's own.
    ///   - joinsErrors: `output` is what it writes to standard error too, in order.
    package init(
        _ program: URL, _ arguments: [String], environment: [String: String]? = nil, input: Input = .nothing,
        joinsErrors: Bool = false
    ) throws {
        process.executableURL = program
        process.arguments = arguments
        process.environment = environment?.merging(["PATH": "/usr/bin:/bin"]) { given, _ in given }
        switch input {
        case .nothing:
            self.input = nil
            process.standardInput = FileHandle.nullDevice
        case .text(let text):
            self.input = nil
            guard text.utf8.count <= 1 << 16 else { throw WaitingError("\(text.utf8.count) bytes for a pipe") }
            let pipe = Pipe()
            try pipe.fileHandleForWriting.write(contentsOf: Data(text.utf8))
            try pipe.fileHandleForWriting.close()
            process.standardInput = pipe
        case .held:
            let pipe = Pipe()
            self.input = pipe.fileHandleForWriting
            // other children of this process must not keep it open
            guard fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC) == 0 else {
                throw WaitingError("the input of \(program.lastPathComponent) cannot be marked")
            }
            process.standardInput = pipe
        case .descriptor(let number):
            self.input = nil
            process.standardInput = FileHandle(fileDescriptor: number, closeOnDealloc: false)
        }
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = joinsErrors ? output : errors
        seen.state.withLock { $0.openPipes = joinsErrors ? 1 : 2 }
        process.terminationHandler = { [seen] process in
            let number = process.terminationStatus
            seen.change { $0.status = process.terminationReason == .exit ? number : -number }
        }
        try process.run()
        pid = process.processIdentifier
        seen.read(output) { $0.output += $1 }
        if !joinsErrors { seen.read(errors) { $0.errors += $1 } }
    }

    deinit {
        if let input {
            try? input.close()
        } else if isRunning {
            // a stopped process must go too
            kill(pid, SIGKILL)
        }
    }

    /// Everything that it wrote so far.
    package var output: String { String(decoding: seen.state.withLock { $0.output }, as: UTF8.self) }
    package var errors: String { String(decoding: seen.state.withLock { $0.errors }, as: UTF8.self) }

    package var isRunning: Bool { status == nil }

    /// Whether it has ended and nothing more that it wrote can come.
    package var isOver: Bool { seen.state.withLock { $0.isOver } }

    package func signal(_ number: Int32) { kill(pid, number) }

    package func write(_ text: String) throws { try input?.write(contentsOf: Data(text.utf8)) }

    package func closeInput() throws { try input?.close() }

    /// Blocks until what it wrote satisfies `isEnough`, or until it has ended and nothing more can come.
    /// - Throws: a `WaitingError` with what it wrote, when `seconds` pass.
    package func wait(
        _ what: String, within seconds: Double, until isEnough: (_ output: Data, _ errors: Data) -> Bool
    ) throws {
        let isThere = seen.wait(seconds: seconds) {
            isEnough($0.output, $0.errors) || $0.isOver
        }
        guard isThere else {
            throw WaitingError("\(seconds) s passed before \(what) of \(command); it wrote: \(output)\(errors)")
        }
    }

    /// Blocks until it has ended.
    /// - Returns: the exit status, or minus the signal's number.
    package func waitForExit(within seconds: Double = TestProcess.secondsMax) throws -> Int32 {
        try wait("the end", within: seconds) { _, _ in false }
        return status ?? 0
    }

    /// The exit status, or minus the signal's number; nil while it runs.
    package var status: Int32? { seen.state.withLock { $0.status } }

    private var command: String {
        ([process.executableURL?.path ?? ""] + (process.arguments ?? [])).joined(separator: " ")
    }

    /// Generous: it only passes when something is wrong.
    package static let secondsMax = 300.0

    package struct Result: Sendable {
        /// The exit status, or minus the signal's number.
        package var status: Int32
        package var output: String
        package var errors: String
    }

    /// Runs a program to its end; one that does not end in time is killed, which is an error that tells what it wrote.
    package static func run(
        _ program: URL, _ arguments: [String], environment: [String: String]? = nil, input: Input = .nothing,
        joinsErrors: Bool = false, within seconds: Double = TestProcess.secondsMax
    ) throws -> Result {
        let process = try TestProcess(
            program, arguments, environment: environment, input: input, joinsErrors: joinsErrors)
        do {
            let status = try process.waitForExit(within: seconds)
            return Result(status: status, output: process.output, errors: process.errors)
        } catch {
            process.signal(SIGKILL)
            throw error
        }
    }
}

/// What is known of a process; shared with the threads that read from it.
private final class Seen: Sendable {
    struct State {
        var output = Data()
        var errors = Data()
        var openPipes = 0
        var status: Int32?
        var isOver: Bool { status != nil && openPipes == 0 }
    }

    let state = Mutex(State())
    private let changed = NSCondition()

    func change(_ body: (inout State) -> Void) {
        changed.lock()
        state.withLock { body(&$0) }
        changed.broadcast()
        changed.unlock()
    }

    /// - Returns: whether it holds; false when the time has passed.
    func wait(seconds: Double, until holds: (State) -> Bool) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        changed.lock()
        defer { changed.unlock() }
        while !state.withLock({ holds($0) }) {
            guard changed.wait(until: end) else { return state.withLock { holds($0) } }
        }
        return true
    }

    /// A thread instead of a readability handler, whose dispatch source may outlive the descriptor.
    func read(_ pipe: Pipe, into add: @escaping @Sendable (inout State, Data) -> Void) {
        Thread {
            while true {
                let data = pipe.fileHandleForReading.availableData
                guard !data.isEmpty else { break }
                self.change { add(&$0, data) }
            }
            self.change { $0.openPipes -= 1 }
        }.start()
    }
}
