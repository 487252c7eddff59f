import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Listening")
struct ListenerTests {
    @Test("the listener says reconnected first, then hears work and control, also after its connection was cut")
    func listening() async throws {
        let bench = try await QueueBench()
        let listener = try QueueListener(dsn: bench.database.daemonDSN, proofSeconds: 0.2)
        let events = AsyncStream<QueueEvent>.makeStream()
        let task = Task {
            for await event in listener { events.continuation.yield(event) }
            events.continuation.finish()
        }
        func next(_ wanted: QueueEvent) async throws {
            for await event in events.stream where event == wanted { return }
            throw BenchError("the listener ended")
        }
        try await next(.reconnected)
        let id = try await bench.generate()
        try await next(.work)
        _ = try await bench.claimOne()
        try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        try await next(.control)
        try await bench.superuser.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'janusd listener'"
        )
        try await next(.reconnected)
        try await bench.generate()
        try await next(.work)
        task.cancel()
        await task.value
    }

    @Test("a listener of a server that is away ends with its task")
    func listenerAway() async throws {
        let failures = AsyncStream<PostgresError>.makeStream()
        let listener = try QueueListener(dsn: "host=127.0.0.1 port=1 dbname=x") { failures.continuation.yield($0) }
        let task = Task { for await _ in listener {} }
        for await failure in failures.stream {
            #expect(failure.isConnectionFailure)
            break
        }
        task.cancel()
        await task.value
        #expect(throws: QueueError.database(.invalidDSN)) { try QueueListener(dsn: "nonsense") }
    }
}
