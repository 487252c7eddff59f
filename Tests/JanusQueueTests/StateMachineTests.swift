import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("The state machine")
struct StateMachineTests {
    /// The states that may follow one, as `JobState`'s diagram draws them.
    private static func successors(_ state: JobState) -> Set<JobState> {
        switch state {
        case .queued: [.running, .canceled, .failed]
        case .running: [.succeeded, .failed, .canceled, .queued]
        case .succeeded: []
        case .failed, .canceled: [.queued]
        }
    }

    @Test("the table allows exactly the transitions of JobState's diagram")
    func transitions() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        // everything that some state requires, so that only the transition is judged
        func move(to state: JobState) async throws(PostgresError) {
            try await bench.superuser.query(
                """
                UPDATE janus_private.job SET state = $2, started_at = now(), attempts = 1,
                    finished_at = CASE WHEN $2 IN ('succeeded', 'failed', 'canceled') THEN now() END,
                    error = CASE WHEN $2 = 'failed' THEN '{"code": "x", "message": "x", "retryable": false}'::jsonb END,
                    usage = CASE WHEN $2 = 'succeeded' THEN '{}'::jsonb END
                WHERE id = $1
                """, [.int(id), .text(state.rawValue)])
        }
        for from in JobState.allCases {
            for to in JobState.allCases where to != from {
                try await bench.superuser.query("ALTER TABLE janus_private.job DISABLE TRIGGER job_transition")
                try await move(to: from)
                try await bench.superuser.query("ALTER TABLE janus_private.job ENABLE TRIGGER job_transition")
                var isAllowed = true
                do { try await move(to: to) } catch {
                    #expect(error.sqlState == "23514")
                    isAllowed = false
                }
                #expect(isAllowed == Self.successors(from).contains(to), "\(from) to \(to)")
            }
        }
    }

    @Test("the table's states, phases and kinds are Swift's")
    func names() async throws {
        let connection = try await TestPostgres.database().connect()
        for (constraint, names) in [
            ("job_state", JobState.allCases.map(\.rawValue)), ("job_kind_check", JobKind.allCases.map(\.rawValue)),
            ("run_phase_check", JobPhase.allCases.map(\.rawValue)),
        ] {
            let text = try await connection.query(
                "SELECT pg_get_constraintdef(oid) AS d FROM pg_constraint WHERE conname = $1", [.text(constraint)]
            ).row.text("d")
            let quoted = text.split(separator: "'").enumerated().filter { $0.offset % 2 == 1 }.map {
                String($0.element)
            }
            #expect(quoted == names)
        }
    }

    @Test("a row that contradicts its state is refused, whoever writes it")
    func constraints() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        let failure = #"error = '{"code": "x", "message": "x", "retryable": false}'"#
        for (change, constraint) in [
            ("state = 'canceled'", "job_finished"), ("finished_at = now()", "job_finished"),
            ("state = 'running', attempts = 1", "job_running"),
            ("state = 'running', started_at = now()", "job_running"),
            ("state = 'failed', finished_at = now()", "job_failed"),
            ("state = 'failed', finished_at = now(), error = '{}'", "job_failed"),
            ("state = 'failed', finished_at = now(), text = 'x', \(failure)", "job_result"),
            ("text = 'x'", "job_result"), ("idempotency_key = 'k'", "job_idempotency"),
            ("state = 'lost'", "job_transition"), ("priority = 10", "priority"), ("max_attempts = 0", "max_attempts"),
        ] {
            let error = await #expect(throws: PostgresError.self, "\(change)") {
                try await bench.superuser.query("UPDATE janus_private.job SET \(change) WHERE id = $1", [.int(id)])
            }
            #expect(error?.sqlState == "23514", "\(change)")
            // the trigger's message names the states instead
            let said = error.map { "\($0)" } ?? ""
            if constraint != "job_transition" { #expect(said.contains(constraint), "\(change)") }
        }
    }
}
