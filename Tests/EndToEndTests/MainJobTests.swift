import Foundation
import JanusPostgres
import TestSupport
import Testing

/// SQL row to image or answer, uploaded, recorded and called back.
@Suite struct MainJobTests {
    @Test("a generation becomes images in the database and at the endpoint, and a verified webhook")
    func generate() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.generate('a red fox', images => 2, seed => 42, webhook_url => $1, upload_to => ARRAY['db:', $2])",
            [.text(stage.receiver.url("/hook/fox")), .text(stage.receiver.url("/put/foxes/"))])
        try await stage.wait(job, for: "succeeded")

        let status = try await stage.status(job)
        #expect(try status.int("attempt") == 1)
        #expect(try status.double("progress") == 100)
        #expect(try status.int("output_count") == 2)
        for index in 0..<2 {
            let row = try await stage.client.query(
                """
                SELECT janus.output($1, $2::int) AS data, o ->> 'sha256' AS sha256, o ->> 'media_type' AS type,
                    o -> 'urls' ->> 0 AS url, (o ->> 'width')::int AS width
                FROM janus.status($1) AS s, jsonb_array_elements(s.outputs) AS o WHERE (o ->> 'index')::int = $2::int
                """, [.int(job), .int(index)]
            ).row
            let png = try row.bytes("data")
            #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
            #expect(try row.text("type") == "image/png")
            #expect(try row.int("width") == 64)
            let url = try row.text("url")
            let name = try #require(url.components(separatedBy: "/put/").last)
            #expect(try stage.receiver.stored(name) == png)
        }

        let hook = try #require(try await stage.receiver.waitForRequests("/hook/fox").first)
        let event = try #require(try JSONSerialization.jsonObject(with: hook.body) as? [String: Any])
        #expect(event["type"] as? String == "job.succeeded")
        let data = try #require(event["data"] as? [String: Any])
        #expect(data["id"] as? String == "\(job)")
        #expect(data["seed"] as? String == "42")
        let secret = try await stage.client.query("SELECT janus.webhook_secret() AS secret").row.text("secret")
        try verifyWebhooks(stage.receiver, secret: secret)
        try await waitUntil("the delivery is recorded") {
            try await stage.client.query("SELECT state FROM janus.webhook_deliveries").row.text("state") == "delivered"
        }
        daemon.signal(SIGTERM)
        #expect(try await daemon.waitForExit() == 0)
    }

    @Test("a question about an inline picture, one about a fetched one and a conversation get answers")
    func answers() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let picture = try Data(contentsOf: URL(filePath: Reference.file("Reference/tiny/image0.png")))
        let inline = try await stage.enqueue(
            "janus.understand('What is it?', image_data => ARRAY[$1::bytea], max_tokens => 12)", [.bytes(picture)])
        let fetched = try await stage.enqueue(
            "janus.understand('What is it?', image_urls => ARRAY[$1], max_tokens => 12)",
            [.text(stage.receiver.url("/image/red.png"))])
        let chat = try await stage.enqueue(
            """
            janus.chat('[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "Who?"}]', max_tokens => 5)
            """)
        for job in [inline, fetched, chat] { try await stage.wait(job, for: "succeeded") }
        let text = try await stage.status(inline).text("text")
        #expect(!text.isEmpty)
        let output = try await stage.client.query("SELECT janus.output($1) AS data", [.int(inline)]).row.bytes("data")
        #expect(String(decoding: output, as: UTF8.self) == text)
        #expect(try await stage.status(fetched).textIfAny("text") != nil)
        for (job, kind) in [(inline, "understand"), (fetched, "understand"), (chat, "chat")] {
            let lines = daemon.log.split(separator: "\n").filter { $0.contains("job=\(job) ") }
            #expect(lines.count >= 2 && lines.allSatisfy { $0.contains("kind=\(kind) ") }, "\(lines)")
        }
    }

    @Test("the same seed gives the same bytes, another seed others")
    func reproducible() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_WORKERS_COUNT": "2"])
        var hashes: [String] = []
        for seed in [7, 7, 8] {
            let job = try await stage.enqueue("janus.generate('a red fox', seed => \(seed))")
            try await stage.wait(job, for: "succeeded")
            hashes.append(try await stage.status(job).text("sha256"))
        }
        #expect(hashes[0] == hashes[1])
        #expect(hashes[0] != hashes[2])
        _ = daemon
    }

    @Test("packed checkpoints are served like others, and reproducibly", arguments: ["int8", "int4", "bf16"])
    func packed(precision: String) async throws {
        let pack = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).pack.safetensors")
        defer { try? FileManager.default.removeItem(at: pack) }
        let packer = try DaemonProcess(
            Reference.executable("janus-model"),
            ["pack", Reference.file("Reference/tiny/hf"), "--precision", precision, "-o", pack.path], environment: [:])
        #expect(try await packer.waitForExit() == 0, "\(packer.log)")
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_MODELS": "tiny=\(pack.path)", "JANUSD_WORKERS_COUNT": "2"])
        var hashes: Set<String> = []
        for _ in 0..<3 {
            let job = try await stage.enqueue("janus.generate('a red fox', seed => 7)")
            try await stage.wait(job, for: "succeeded")
            hashes.insert(try await stage.status(job).text("sha256"))
        }
        #expect(hashes.count == 1)
        _ = daemon
    }

    @Test("started and then growing progress are called before the end, when asked for")
    func liveWebhooks() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_PROGRESS_SECONDS": "0.1"])
        let worker = try #require(daemon.children.first)
        let job = try await stage.enqueue(
            "janus.generate('a fox', images => 8, webhook_url => $1, webhook_events => '{started,progress,succeeded}')",
            [.text(stage.receiver.url("/hook/live"))])
        // the worker moves by a few milliseconds at a time, so that the job cannot end before its progress was told thrice
        try await waitUntil("three calls of progress") {
            kill(worker, SIGCONT)
            try await Task.sleep(for: .milliseconds(2))
            kill(worker, SIGSTOP)
            return try events(stage, "/hook/live").count { $0.type == "job.progress" } >= 3
        }
        kill(worker, SIGCONT)
        try await stage.wait(job, for: "succeeded")
        try await waitUntil("the last webhook") {
            try events(stage, "/hook/live").last?.type == "job.succeeded"
        }
        let calls = try events(stage, "/hook/live")
        #expect(calls.allSatisfy { $0.job == "\(job)" })
        #expect(calls.first?.type == "job.started")
        let middle = calls.dropFirst().dropLast()
        #expect(middle.allSatisfy { $0.type == "job.progress" && $0.state == "running" }, "\(calls)")
        let progress = middle.map(\.progress)
        #expect(zip(progress, progress.dropFirst()).allSatisfy { $0 <= $1 }, "\(progress)")
        #expect(Set(progress).count >= 2 && progress.allSatisfy { (0..<100).contains($0) }, "\(progress)")
        #expect(calls.last?.progress == 100 && calls.last?.state == "succeeded")
    }

    private struct LiveEvent: Decodable {
        struct JobData: Decodable {
            var id: String
            var state: String
            var progress: Double
        }
        var type: String
        var data: JobData
        var job: String { data.id }
        var state: String { data.state }
        var progress: Double { data.progress }
    }

    private func events(_ stage: Stage, _ path: String) throws -> [LiveEvent] {
        try stage.receiver.requests(path).map { try JSONDecoder().decode(LiveEvent.self, from: $0.body) }
    }

    @Test("a webhook that is refused once is delivered on the next try, under the same id")
    func webhookRetry() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.understand('Hi', max_tokens => 2, webhook_url => $1)",
            [.text(stage.receiver.url("/fail-then-ok/1/hook"))])
        try await stage.wait(job, for: "succeeded")
        let calls = try await stage.receiver.waitForRequests("/fail-then-ok/1/hook", count: 2, within: 60)
        #expect(calls[0].headers["webhook-id"] == calls[1].headers["webhook-id"])
        try await waitUntil("the delivery is recorded") {
            let row = try await stage.client.query("SELECT state, attempts FROM janus.webhook_deliveries").row
            return try row.text("state") == "delivered" && row.int("attempts") == 2
        }
        _ = daemon
    }

    /// By the library that customers use, in the environment that Deploy/python makes.
    private func verifyWebhooks(_ receiver: HTTPReceiver, secret: String) throws {
        let verified = try TestProcess.run(
            URL(filePath: TestPaths.root + "/Deploy/python"),
            [
                TestPaths.root + "/Tests/TestSupport/verify_webhook.py",
                receiver.folder.appending(path: "requests.jsonl").path, secret,
            ], joinsErrors: true)
        #expect(verified.status == 0, "\(verified.output)")
    }
}
