import CLibPQ
import Foundation

/// One connection, on a thread of its own: every wait is a poll() with a deadline that a cancelled task ends early.
///
/// A statement that is cut short, by its deadline or by cancellation, leaves no half-read protocol behind: the server
/// is asked to stop it and the connection is closed. Whoever needs another asks `PostgresPool` or connects again.
package actor PostgresConnection {
    private nonisolated let executor = ThreadExecutor(name: "postgres")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    package nonisolated let address: PostgresAddress
    package nonisolated let options: PostgresOptions
    private nonisolated let wake = PollInterrupt()
    private var handle: ConnectionHandle?
    private var notifications: [PostgresNotification] = []

    private init(address: PostgresAddress, options: PostgresOptions) {
        self.address = address
        self.options = options
    }

    /// Connects to the first host of the DSN that accepts writes.
    package static func connect(to address: PostgresAddress, options: PostgresOptions = PostgresOptions())
        async throws(PostgresError) -> PostgresConnection
    {
        let connection = PostgresConnection(address: address, options: options)
        try await connection.open()
        return connection
    }

    /// Closes at once; a transaction that is open is rolled back by the server.
    package func close() { handle = nil }

    /// Whether the connection is open, outside of a transaction, and has not been closed by the server meanwhile.
    func isReusable() -> Bool {
        guard let pointer = unsafe handle?.pointer else { return false }
        guard unsafe PQtransactionStatus(pointer) == PQTRANS_IDLE, unsafe drain(pointer) else {
            close()
            return false
        }
        return true
    }

    /// Takes what the server sent unasked: a farewell first, then the end of the stream.
    private func drain(_ pointer: OpaquePointer) -> Bool {
        for _ in 0..<unaskedReadsMax {
            var watched = pollfd(fd: unsafe PQsocket(pointer), events: Int16(POLLIN), revents: 0)
            if unsafe poll(&watched, 1, 0) == 0 { return true }
            guard unsafe PQconsumeInput(pointer) == 1, unsafe PQstatus(pointer) == CONNECTION_OK else { return false }
        }
        return true
    }

    // MARK: Statements

    /// Runs one statement.
    @discardableResult
    package func query(_ sql: String, _ parameters: [PostgresValue] = [])
        async throws(PostgresError) -> PostgresResult
    {
        try await cancellable { () throws(PostgresError) in
            try unsafe self.run { pointer in unsafe send(sql, parameters, over: pointer) }
        }
    }

    /// Runs a script of several statements without parameters. Outside of a transaction it is one by itself.
    package func runScript(_ sql: String) async throws(PostgresError) {
        _ = try await cancellable { () throws(PostgresError) in
            try unsafe self.run { pointer in unsafe PQsendQuery(pointer, sql) == 1 }
        }
    }

    /// Waits for notifications: returns those that came, or none after `seconds`.
    package func notifications(withinSeconds seconds: Double) async throws(PostgresError) -> [PostgresNotification] {
        try await cancellable { () throws(PostgresError) in
            let deadline = Deadline(seconds: seconds)
            try self.takeNotifications()
            while self.notifications.isEmpty {
                guard try self.wait(POLLIN, until: deadline) else { return [] }
                try self.consumeInput()
                try self.takeNotifications()
            }
            defer { self.notifications = [] }
            return self.notifications
        }
    }

    /// Runs `body` on the connection's thread; a wait in it ends with `.canceled` once the task is cancelled.
    private func cancellable<Value>(_ body: () throws(PostgresError) -> Value) async throws(PostgresError) -> Value {
        let wake = wake
        let result: Result<Value, PostgresError> = await withTaskCancellationHandler {
            // Mentioning `self` is what keeps this closure on the connection's thread.
            self.perform(body)
        } onCancel: {
            wake.signal()
        }
        return try result.get()
    }

    private func perform<Value>(_ body: () throws(PostgresError) -> Value) -> Result<Value, PostgresError> {
        // A shared thread must never block in poll().
        precondition(executor.isCurrent, "off the connection's thread")
        do throws(PostgresError) { return .success(try body()) } catch { return .failure(error) }
    }

    private func run(send: (OpaquePointer) -> Bool) throws(PostgresError) -> PostgresResult {
        let seconds = options.statementSeconds
        let deadline = Deadline(seconds: seconds)
        let pointer = try unsafe openPointer()
        guard !Task.isCancelled else { throw .canceled }
        guard unsafe send(pointer) else { throw unsafe lost(pointer) }
        do {
            try unsafe flush(pointer, until: deadline, seconds)
            return try unsafe readResults(pointer, until: deadline, seconds)
        } catch {
            switch error {
            case .deadlinePassed, .canceled:
                unsafe cancelStatement(of: pointer)
                close()
            case .connectionLost: close()
            case .server, .invalidDSN, .cannotConnect, .unexpectedResult: break
            }
            throw error
        }
    }

    private func flush(_ pointer: OpaquePointer, until deadline: Deadline, _ seconds: Double) throws(PostgresError) {
        while true {
            let rest = unsafe PQflush(pointer)
            if rest == 0 { return }
            guard rest == 1 else { throw unsafe lost(pointer) }
            guard try wait(POLLIN | POLLOUT, until: deadline) else { throw .deadlinePassed(seconds: seconds) }
            // The server may be sending too, and would stop reading until we take it.
            try consumeInput()
        }
    }

    /// Reads to the end of the answer; the last result counts, and the first error.
    private func readResults(_ pointer: OpaquePointer, until deadline: Deadline, _ seconds: Double)
        throws(PostgresError) -> PostgresResult
    {
        var last = PostgresResult(rows: [], affectedCount: 0)
        var failure: PostgresError?
        while true {
            while unsafe PQisBusy(pointer) == 1 {
                guard try wait(POLLIN, until: deadline) else { throw .deadlinePassed(seconds: seconds) }
                try consumeInput()
            }
            guard let next = unsafe PQgetResult(pointer) else { break }
            let result = unsafe ResultHandle(pointer: next)
            switch unsafe PQresultStatus(result.pointer) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: last = result.copyOut()
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                close()
                throw .unexpectedResult("COPY is not supported here")
            default:
                guard let (error, isFatal) = result.serverError(), !isFatal else {
                    throw .connectionLost(target: address.description, reason: unsafe reason(pointer))
                }
                failure = failure ?? .server(error)
            }
        }
        guard unsafe PQstatus(pointer) == CONNECTION_OK else { throw unsafe lost(pointer) }
        if let failure { throw failure }
        return last
    }

    // MARK: The socket

    private func open() async throws(PostgresError) {
        try await cancellable { () throws(PostgresError) in
            let deadline = Deadline(seconds: self.options.connectSeconds)
            guard self.wake.descriptor >= 0 else { throw self.cannotConnect("no file descriptors are left") }
            guard let started = unsafe startConnecting(self.address, self.options) else {
                throw self.cannotConnect("out of memory")
            }
            self.handle = unsafe ConnectionHandle(pointer: started)
            do throws(PostgresError) {
                try unsafe self.finishConnecting(started, until: deadline)
            } catch {
                self.close()
                throw error
            }
            unsafe janus_silence_notices(started)
            _ = unsafe PQsetnonblocking(started, 1)
        }
    }

    private func finishConnecting(_ pointer: OpaquePointer, until deadline: Deadline) throws(PostgresError) {
        guard unsafe PQstatus(pointer) != CONNECTION_BAD else { throw cannotConnect(unsafe reason(pointer)) }
        var progress = PGRES_POLLING_WRITING
        while progress != PGRES_POLLING_OK {
            guard progress != PGRES_POLLING_FAILED else { throw cannotConnect(unsafe reason(pointer)) }
            guard try wait(progress == PGRES_POLLING_READING ? POLLIN : POLLOUT, until: deadline) else {
                throw cannotConnect("no answer within \(options.connectSeconds) s")
            }
            progress = unsafe PQconnectPoll(pointer)
        }
    }

    /// - Returns: whether the socket became ready before the deadline.
    private func wait(_ events: Int32, until deadline: Deadline) throws(PostgresError) -> Bool {
        let pointer = try unsafe openPointer()
        while true {
            guard !Task.isCancelled else { throw .canceled }
            var watched = [
                pollfd(fd: unsafe PQsocket(pointer), events: Int16(events), revents: 0),
                pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let ready = unsafe poll(&watched, nfds_t(watched.count), deadline.remainingMilliseconds)
            if ready == 0 { return false }
            // Woken for a task that has ended already, or interrupted by a signal: the loop looks again.
            if ready > 0, watched[1].revents != 0 { wake.drain() }
            if ready > 0, watched[0].revents != 0 { return true }
        }
    }

    private func consumeInput() throws(PostgresError) {
        let pointer = try unsafe openPointer()
        guard unsafe PQconsumeInput(pointer) == 1 else {
            let error = unsafe lost(pointer)
            close()
            throw error
        }
    }

    private func takeNotifications() throws(PostgresError) {
        let pointer = try unsafe openPointer()
        while let next = unsafe PQnotifies(pointer) {
            unsafe notifications.append(
                PostgresNotification(
                    channel: String(cString: next.pointee.relname), payload: String(cString: next.pointee.extra)))
            unsafe PQfreemem(next)
        }
    }

    private func openPointer() throws(PostgresError) -> OpaquePointer {
        guard let pointer = unsafe handle?.pointer else {
            throw .connectionLost(target: address.description, reason: "the connection is closed")
        }
        return unsafe pointer
    }

    private func lost(_ pointer: OpaquePointer) -> PostgresError {
        .connectionLost(target: address.description, reason: unsafe reason(pointer))
    }

    private func cannotConnect(_ reason: String) -> PostgresError {
        .cannotConnect(target: address.description, reason: reason)
    }

    private func reason(_ pointer: OpaquePointer) -> String {
        let text = unsafe PQerrorMessage(pointer).map { unsafe String(cString: $0) } ?? ""
        let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        return lines.isEmpty ? "the server closed it" : lines.joined(separator: "; ")
    }
}

/// Reads of what the server sent unasked, before a connection is lent again.
private let unaskedReadsMax = 16

/// What another session said by NOTIFY.
package struct PostgresNotification: Sendable, Equatable {
    package var channel: String
    package var payload: String
}
