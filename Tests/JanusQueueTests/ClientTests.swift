import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("The command line's client")
struct ClientTests {
    @Test("the command line's client enqueues, reads, cancels and asks for the secret")
    func client() async throws {
        let bench = try await QueueBench()
        let client = try JobClient(dsn: try await bench.database.clientDSN("cli"))
        var options = EnqueueOptions()
        options.seed = 7
        options.priority = 0
        options.uploadTo = ["db:"]
        let image = try await client.generate(prompt: "a", images: 2, cfgWeight: 3, format: "jpeg", options: options)
        let claim = try await bench.claimOne()
        #expect(claim.run.job == image && claim.uploadTo == ["db:"])
        _ = try await bench.queue.finish(
            claim, QueueBench.result(outputs: [QueueBench.output(Data([5, 6]))]))
        let status = try #require(try await client.status(image))
        #expect(status.state == .succeeded && status.progress == 100 && status.json.contains("\"seed\": 7"))
        let text = try await client.understand(prompt: "b", imageData: [Data([1]), Data([0, 2])], maxTokens: 5)
        #expect(try await client.status(text)?.state == .queued)
        #expect(try await client.cancel(text) == "canceled")
        #expect(try await client.status(999) == nil)
        #expect(try await client.webhookSecret().hasPrefix("whsec_"))
        let error = await #expect(throws: QueueError.self) { try await client.generate(prompt: " ") }
        #expect("\(error!)".contains("prompt is white space"))
        #expect(throws: QueueError.database(.invalidDSN)) { try JobClient(dsn: "nonsense") }
    }
}
