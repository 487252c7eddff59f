import Foundation
import JanusEngine
import JanusJob
import JanusWire
import TestSupport

/// A real janus-worker on the other end of a real socket pair. Ends the process it started when it goes away.
final class WorkerProcess {
    static let deadlineSeconds = 120

    private let process: TestProcess
    private let socket: Int32
    /// Of standard error, in bytes: what `errorLine` has given.
    private var errorBytesRead = 0
    private var decoder = MessageDecoder<WorkerMessage>()

    /// - Parameter model: nil gives no `--model` and no socket.
    init(model: String = tinyFolder, arguments: [String] = []) throws {
        var pair: [Int32] = [0, 0]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else {
            throw Failure("socketpair")
        }
        socket = pair[0]
        var timeout = timeval(tv_sec: Self.deadlineSeconds, tv_usec: 0)
        unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        process = try TestProcess(
            Reference.executable("janus-worker"),
            ["--socket", "0", "--model", model, "--model-name", "tiny", "--threads", "1"] + arguments,
            // The kernels of this process, so that results can be compared.
            environment: ["OPENBLAS_CORETYPE": ProcessorChoice.kernels], input: .descriptor(pair[1]))
        close(pair[1])
    }

    deinit { close(socket) }

    var pid: Int32 { process.pid }

    struct Failure: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    func send(_ message: SupervisorMessage) throws { try send(bytes: message.encoded()) }

    func send(bytes: Data) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure("send: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }

    /// The worker's next message; nil at the end of the stream.
    func receive() throws -> WorkerMessage? {
        while true {
            if let message = try decoder.next() { return message }
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = unsafe recv(socket, &buffer, buffer.count, 0)
            if count == 0 || (count < 0 && errno == ECONNRESET) { return nil }
            guard count > 0 else { throw Failure("no message within \(Self.deadlineSeconds) s: errno \(errno)") }
            decoder.append(Data(buffer.prefix(count)))
        }
    }

    /// Messages up to the first that is wanted, that one included.
    func receive(until isWanted: (WorkerMessage) -> Bool) throws -> [WorkerMessage] {
        var messages: [WorkerMessage] = []
        while let message = try receive() {
            messages.append(message)
            if isWanted(message) { return messages }
        }
        throw Failure("the worker's stream ended; it said: \(try standardError())")
    }

    func ready() throws -> WorkerReady {
        guard case .ready(let ready) = try receive() else { throw Failure("no ready: \(try standardError())") }
        return ready
    }

    func closeSocket() { shutdown(socket, Int32(SHUT_RDWR)) }

    /// The exit status, or minus the signal.
    func exitStatus() throws -> Int32 { try process.waitForExit() }

    /// Standard error from where the last call ended; waits until there is a line of it, or the end.
    func errorLine() throws -> String {
        try process.wait("a line", within: TestProcess.secondsMax) { [errorBytesRead] _, errors in
            errors.dropFirst(errorBytesRead).contains(UInt8(ascii: "\n"))
        }
        return rest()
    }

    /// What else it wrote to standard error; waits for its end.
    func standardError() throws -> String {
        _ = try process.waitForExit()
        return rest()
    }

    private func rest() -> String {
        let bytes = Data(process.errors.utf8).dropFirst(errorBytesRead)
        errorBytesRead += bytes.count
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension WorkerMessage {
    /// Whether a run is over.
    var isEnd: Bool {
        switch self {
        case .finished, .failed, .stopped: true
        case .ready, .progress, .output: false
        }
    }
}
