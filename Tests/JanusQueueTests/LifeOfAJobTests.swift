import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("The life of a job")
struct LifeOfAJobTests {
    @Test("a generate job is claimed with its arguments, renewed, finished and read back by its owner")
    func generateEndToEnd() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate(
            """
            'a red fox', images => 2, seed => 9007199254740993, cfg_weight => 4.5, temperature => 0.5, top_k => 7,
            format => 'webp', webhook_url => 'https://example.org/hook?token=x', metadata => '{"customer": "42"}',
            traceparent => '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', run_timeout => '90 s'
            """)
        #expect(try await bench.column("queue_position", id) == "1")

        let claim = try await bench.claimOne()
        #expect(claim.run == JobRun(job: id, runLease: 1))
        #expect(
            claim.task
                == .success(
                    .generate(
                        GenerateParameters(
                            prompt: "a red fox", images: 2, seed: 9_007_199_254_740_993, cfgWeight: 4.5,
                            temperature: 0.5, topK: 7, format: .webp))))
        #expect(claim.owner == bench.database.roleName("alice"))
        #expect(claim.runTimeoutSeconds == 90 && claim.attempt == 1)
        #expect(claim.webhookEvents == ["succeeded", "failed", "canceled"])
        #expect(try await bench.state(id) == "running")

        let reply = try await bench.queue.renew([
            RunReport(
                run: claim.run, claimToken: claim.claimToken,
                progress: JobProgress(phase: .drawing, stepsDone: 144, stepsTotal: 576))
        ])
        #expect(reply.lost.isEmpty && reply.cancelRequested.isEmpty)
        #expect(abs(reply.serverNow.timeIntervalSinceNow) < 60)
        #expect(try await bench.column("phase || ' ' || progress", id) == "drawing 25.0")

        let first = Data([0x89, 0, 255])
        var second = JobOutput(index: 1, format: .image(.webp, width: 8, height: 6), data: Data([7]))
        second.urls = ["https://store.example/1.webp"]
        let receipt = try await bench.queue.finish(
            claim,
            QueueBench.result(outputs: [QueueBench.output(first), second]))
        #expect(receipt == .recorded(.succeeded))
        #expect(try await bench.column("state || ' ' || progress", id) == "succeeded 100")
        #expect(try await bench.column("usage ->> 'output_tokens'", id) == "9")
        #expect(try await bench.column("outputs -> 0 ->> 'sha256'", id) == QueueBench.output(first).sha256)
        #expect(try await bench.column("outputs -> 1 -> 'urls' ->> 0", id) == "https://store.example/1.webp")
        #expect(
            try await bench.column(
                "concat_ws(' ', outputs -> 1 ->> 'media_type', outputs -> 1 ->> 'width', outputs -> 1 ->> 'height')", id
            )
                == "image/webp 8 6")
        #expect(try await bench.client.query("SELECT janus.output($1) AS data", [.int(id)]).row.bytes("data") == first)
        await #expect(throws: PostgresError.self) {
            try await bench.client.query("SELECT janus.output($1, 1)", [.int(id)])
        }
        #expect(try await bench.count("janus_private.run") == 0)

        // the outbox
        let deliveries = try await bench.queue.claimWebhooks(WebhookClaim(limit: 10)).webhooks
        let delivery = try #require(deliveries.first)
        #expect(
            deliveries.count == 1 && delivery.attempt == 1 && delivery.message.url == "https://example.org/hook?token=x"
        )
        #expect(delivery.message.secrets.map(\.count) == [32])
        let body = try #require(try JSONSerialization.jsonObject(with: delivery.message.body) as? [String: Any])
        let data = try #require(body["data"] as? [String: Any])
        #expect(body["type"] as? String == "job.succeeded")
        #expect(data["id"] as? String == String(id) && data["seed"] as? String == "9007199254740993")
        #expect(data["state"] as? String == "succeeded")
        #expect(try await bench.queue.claimWebhooks(WebhookClaim(limit: 10)).webhooks.isEmpty)
        #expect(try await bench.queue.recordWebhook(delivery, .delivered(status: 204)))
        let seen = try await bench.client.query("SELECT state, last_status, url FROM janus.webhook_deliveries").row
        #expect(try seen.text("state") == "delivered" && seen.int("last_status") == 204)
        #expect(try seen.text("url") == "https://example.org/hook")
    }

    @Test("an understand job carries its pictures, its text is an output too")
    func understandEndToEnd() async throws {
        let bench = try await QueueBench()
        let id = try await bench.client.query(
            """
            SELECT janus.understand('what is it?', image_urls => '{https://example.org/a.png}',
                image_data => ARRAY['\\x0102'::bytea, '\\x03'], stop => ARRAY[E'\\n', 'a"b\\c'], system_prompt => 'Be brief.') AS id
            """
        ).row.int64("id")
        let claim = try await bench.claimOne()
        #expect(claim.imageURLs == ["https://example.org/a.png"] && claim.inlineImageCount == 2)
        #expect(try await bench.queue.inlineImages(of: claim.run) == [Data([1, 2]), Data([3])])
        guard case .understand(let parameters) = try claim.task.get() else { throw BenchError("not a question") }
        #expect(parameters.messages == [ChatMessage(role: .user, content: "what is it?", images: 3)])
        #expect(parameters.systemPrompt == "Be brief." && parameters.stop == ["\n", "a\"b\\c"])
        let receipt = try await bench.queue.finish(claim, QueueBench.result(text: "a fo\u{0}x"))
        #expect(receipt == .recorded(.succeeded))
        #expect(try await bench.column("text", id) == "a fo\u{FFFD}x")
        let bytes = try await bench.client.query("SELECT janus.output($1) AS data", [.int(id)]).row.bytes("data")
        #expect(bytes == Data("a fo\u{0}x".utf8))
    }

    @Test(
        "a row whose arguments nobody can read is claimed with what is wrong with them, and spoils no other",
        arguments: [
            ("'5'", "Dictionary"), ("task - 'images'", "images is missing"),
            (#"task || '{"images": "two"}'"#, "images"),
            (#"task || '{"images": 0}'"#, "images is 0"), (#"task || '{"images": 1e30}'"#, "too great"),
            (#"task || '{"top_k": -1}'"#, "top_k is -1"), (#"task || '{"seed": 7}'"#, "seed"),
            (#"task || '{"seed": "9223372036854775808"}'"#, "seed"), (#"task || '{"format": "gif"}'"#, "format"),
        ])
    func unreadable(change: String, says: String) async throws {
        let bench = try await QueueBench()
        let bad = try await bench.generate()
        let good = try await bench.generate()
        try await bench.superuser.query(
            "UPDATE janus_private.input SET task = (\(change))::jsonb WHERE job = $1", [.int(bad)])
        let claims = try await bench.claim(2)
        #expect(claims.map(\.run.job) == [bad, good])
        guard case .failure(let error) = claims[0].task else { throw BenchError("it was read") }
        #expect(error.code == .invalidRequest && !error.retryable && error.message.contains(says), "\(error)")
        #expect(try claims[1].task.get().kind == .generate)
        #expect(try await bench.queue.finish(claims[0], .failed(error)) == .recorded(.failed))
    }

    @Test("a chat job's messages come without the system message, pictures before the first question")
    func chat() async throws {
        let bench = try await QueueBench()
        try await bench.client.query(
            """
            SELECT janus.chat('[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "hello"}, {"role": "user", "content": "what is it?"}]',
                image_data => ARRAY['\\x01'::bytea])
            """)
        let claim = try await bench.claimOne()
        guard case .chat(let parameters) = try claim.task.get() else { throw BenchError("not a chat") }
        #expect(parameters.systemPrompt == "Be brief.")
        #expect(
            parameters.messages == [
                ChatMessage(role: .user, content: "hi", images: 1), ChatMessage(role: .assistant, content: "hello"),
                ChatMessage(role: .user, content: "what is it?"),
            ])
    }

    @Test(
        "a failed attempt is tried again until max_attempts, each with its error; janus.retry begins anew with the seed"
    )
    func retries() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', max_attempts => 2, webhook_url => 'https://example.org/'")
        let seed = try await bench.column("seed", id)
        let error = JobError(.workerCrashed, "signal 9")
        #expect(
            try await bench.queue.finish(bench.claimOne(), .failed(error)) == .recorded(.queued))
        #expect(try await bench.column("error ->> 'code'", id) == "worker_crashed")
        let second = try await bench.claimOne()
        #expect(second.attempt == 2 && second.run.runLease == 2)
        #expect(try await bench.queue.finish(second, .failed(error)) == .recorded(.failed))
        #expect(try await bench.state(id) == "failed")
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.failed'") == 1)

        #expect(try await bench.client.query("SELECT janus.retry($1) AS s", [.int(id)]).row.text("s") == "queued")
        #expect(try await bench.column("seed", id) == seed)
        let third = try await bench.claimOne()
        #expect(third.attempt == 1 && third.run.runLease == 3)
        _ = try await bench.queue.finish(third, QueueBench.result())
        #expect(
            try await bench.count("janus_private.webhook_delivery WHERE type = 'job.succeeded' AND generation = 2") == 1
        )
        let attempts = try await bench.client.query(
            "SELECT string_agg(outcome || '>' || state || ':' || coalesce(error ->> 'message', ''), ' ' ORDER BY run_lease) AS a FROM janus.attempts"
        )
        #expect(try attempts.row.text("a") == "failed>queued:signal 9 failed>failed:signal 9 succeeded>succeeded:")
        await #expect(throws: PostgresError.self) { try await bench.client.query("SELECT janus.retry($1)", [.int(id)]) }
    }

    @Test("a retried job waits for its backoff; an error that is not retryable ends it at once")
    func backoff() async throws {
        let bench = try await QueueBench(
            retry: RetryRule(firstDelaySeconds: 100, delaySecondsMax: 1000, jitterShare: 0))
        let id = try await bench.generate()
        _ = try await bench.queue.finish(bench.claimOne(), .failed(JobError(.uploadFailed, "500\0\\u0000")))
        // PostgreSQL stores no NUL
        #expect(try await bench.column("error ->> 'message'", id) == "500\u{FFFD}\\u0000")
        #expect(try await bench.column("run_at > now() + '90 s' AND run_at < now() + '110 s'", id) == "true")
        #expect(try await bench.claim().isEmpty)
        let other = try await bench.generate()
        let receipt = try await bench.queue.finish(
            bench.claimOne(), .failed(JobError(.invalidImage, "not a picture")))
        #expect(receipt == .recorded(.failed))
        #expect(try await bench.column("error ->> 'retryable'", other) == "false")
    }

    @Test("a queued job is canceled at once, a running one is asked and then ends as canceled")
    func cancel() async throws {
        let bench = try await QueueBench()
        let waiting = try await bench.generate("'a', run_at => now() + '1 hour', webhook_url => 'https://example.org/'")
        #expect(
            try await bench.client.query("SELECT janus.cancel($1) AS s", [.int(waiting)]).row.text("s") == "canceled")
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.canceled'") == 1)
        #expect(try await bench.state(waiting) == "canceled")

        let running = try await bench.generate()
        let claim = try await bench.claimOne()
        #expect(
            try await bench.client.query("SELECT janus.cancel($1) AS s", [.int(running)]).row.text("s") == "running")
        let report = RunReport(run: claim.run, claimToken: claim.claimToken, progress: .start)
        #expect(try await bench.queue.renew([report]).cancelRequested == [claim.run])
        #expect(try await bench.queue.finish(claim, .canceled) == .recorded(.canceled))
        #expect(
            try await bench.client.query("SELECT janus.cancel($1) AS s", [.int(running)]).row.text("s") == "canceled")
        #expect(try await bench.client.query("SELECT janus.retry($1) AS s", [.int(running)]).row.text("s") == "queued")
        #expect(try await bench.column("cancel_requested_at", running) == nil)
    }

    @Test("a job that waited beyond expires_at fails as expired and is not claimed")
    func expiry() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', expires_at => now() + '1 hour', webhook_url => 'https://example.org/'")
        try await bench.superuser.query(
            "UPDATE janus_private.job SET expires_at = now() - interval '1 s' WHERE id = $1", [.int(id)])
        #expect(try await bench.claim().isEmpty)
        #expect(try await bench.queue.expireQueued() == 1)
        #expect(try await bench.column("state || ' ' || (error ->> 'code')", id) == "failed expired")
        #expect(try await bench.count("janus_private.webhook_delivery WHERE type = 'job.failed'") == 1)
        #expect(try await bench.client.query("SELECT janus.retry($1) AS s", [.int(id)]).row.text("s") == "queued")
        #expect(try await bench.claim().count == 1)
    }

    @Test("hand-overs are uncharged, and bounded")
    func handOvers() async throws {
        let bench = try await QueueBench()
        try await bench.superuser.query("SELECT janus.configure('handovers_max', '2')")
        let id = try await bench.generate("'a', max_attempts => 1")
        for _ in 0..<2 {
            let receipt = try await bench.queue.finish(
                bench.claimOne(), .released(reason: "draining"), isSuspect: true)
            #expect(receipt == .recorded(.queued))
        }
        #expect(try await bench.column("attempt", id) == "0")
        let last = try await bench.claimOne()
        #expect(last.attempt == 1 && last.run.runLease == 3 && last.isSuspect)
        #expect(
            try await bench.queue.finish(last, .released(reason: "draining"))
                == .recorded(.failed))
        #expect(try await bench.column("error ->> 'retryable'", id) == "false")
    }
}
