import Foundation
import JanusPostgres
import TestSupport
import Testing

/// What only the model or the network can judge ends the job at once, with its own code and without further attempts.
@Suite struct BadInputTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// A place of the receiver.
        var path: String
        var code: String
    }

    static let pictures = [
        Case(testDescription: "404", path: "/status/404", code: "input_unavailable"),
        Case(testDescription: "redirect", path: "/redirect", code: "input_unavailable"),
        Case(testDescription: "sends for ever", path: "/endless", code: "input_too_large"),
        Case(testDescription: "no picture", path: "/image/text.png", code: "invalid_image"),
        Case(testDescription: "truncated", path: "/image/truncated.png", code: "invalid_image"),
        Case(testDescription: "empty", path: "/image/empty.png", code: "invalid_image"),
        Case(testDescription: "decompression bomb", path: "/image/bomb.png", code: "input_too_large"),
    ]

    @Test("a picture that cannot be used fails its job at once", arguments: pictures)
    func badPicture(_ picture: Case) async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.understand('What is it?', image_urls => ARRAY[$1])", [.text(stage.receiver.url(picture.path))])
        try await stage.wait(job, for: "failed")
        let status = try await stage.status(job)
        #expect(try status.text("code") == picture.code)
        #expect(try status.int("attempt") == 1)
        // the worker survives it
        let next = try await stage.enqueue("janus.understand('Hi', max_tokens => 2)")
        try await stage.wait(next, for: "succeeded")
        _ = daemon
    }

    @Test("a server that hangs is tried again and then given up")
    func hanging() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_INPUT_SECONDS": "0.3"])
        let job = try await stage.enqueue(
            "janus.understand('What is it?', image_urls => ARRAY[$1], max_attempts => 2)",
            [.text(stage.receiver.url("/hang"))])
        try await stage.wait(job, for: "failed")
        #expect(try await stage.attempts(job) == ["failed input_unavailable", "failed input_unavailable"])
        _ = daemon
    }

    @Test("an address that is not allowed is not reached, whatever the database allows")
    func forbidden() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_NETWORK_ALLOW": "10.9.8.0/24"])
        let job = try await stage.enqueue(
            "janus.understand('What is it?', image_urls => ARRAY[$1])", [.text(stage.receiver.url("/image/red.png"))])
        try await stage.wait(job, for: "failed")
        #expect(try await stage.status(job).text("code") == "input_forbidden")
        #expect(try stage.receiver.requests("/image/red.png").isEmpty)
        _ = daemon
    }

    @Test("a row that nobody can read fails its job with what is wrong, and the daemon and its worker go on")
    func unreadableRow() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon(["JANUSD_POLL_SECONDS": "0.2"])
        var jobs: [Int64] = []
        for change in [#"{"images": "two"}"#, #"{"images": 9223372036854775807}"#, #"{"cfg_weight": 1e300}"#] {
            let job = try await stage.enqueue("janus.generate('a fox', run_at => now() + interval '1 hour')")
            try await stage.inspector.query(
                "UPDATE janus_private.input SET task = task || $2::jsonb WHERE job = $1", [.int(job), .text(change)])
            try await stage.inspector.query("UPDATE janus_private.job SET due_at = now() WHERE id = $1", [.int(job)])
            jobs.append(job)
        }
        let good = try await stage.enqueue("janus.understand('Hi', max_tokens => 2)")
        for job in jobs {
            try await stage.wait(job, for: "failed")
            let status = try await stage.status(job)
            #expect(try status.text("code") == "invalid_request" && status.int("attempt") == 1)
        }
        #expect(try await stage.status(jobs[0]).text("message").contains("images"))
        try await stage.wait(good, for: "succeeded")
        #expect(daemon.isRunning)
    }

    @Test("a prompt beyond the context says how long it is")
    func longPrompt() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.understand(repeat('many words ', 1200), max_tokens => 4000)")
        try await stage.wait(job, for: "failed")
        let status = try await stage.status(job)
        #expect(try status.text("code") == "prompt_too_long")
        #expect(try status.text("message").contains("4096"))
        #expect(try status.int("attempt") == 1)
        _ = daemon
    }

    @Test("an upload that is refused for good fails the job; it is no success without outputs")
    func refusedUpload() async throws {
        let stage = try await Stage.make()
        let daemon = try await stage.readyDaemon()
        let job = try await stage.enqueue(
            "janus.generate('a fox', upload_to => ARRAY[$1])", [.text(stage.receiver.url("/status/403"))])
        try await stage.wait(job, for: "failed")
        let status = try await stage.status(job)
        #expect(try status.text("code") == "upload_forbidden")
        #expect(try status.int("output_count") == 0)
        _ = daemon
    }
}
