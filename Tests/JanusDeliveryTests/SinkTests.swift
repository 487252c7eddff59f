import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import Testing

@Suite("Sinks, judged before anything is reached")
struct SinkTests {
    @Test("the kinds of sink are told apart")
    func kinds() throws {
        #expect(try Sink.parse("db:") == .database)
        #expect(try Sink.parse("file:///var/lib/a%20b/") == .directory(path: "/var/lib/a b/"))
        #expect(try Sink.parse("https://x.example/p/?sig=1") == .collection(HTTPURL("https://x.example/p/?sig=1")))
        #expect(try Sink.parse("https://x.example/p.png?a=/") == .exact(HTTPURL("https://x.example/p.png?a=/")))
        #expect(try Sink.parse("https://x.example") == .collection(HTTPURL("https://x.example")))
    }

    @Test(
        "what names no place is an invalid request",
        arguments: [
            "file:", "file://host/dir", "file:/dir", "file:///a%00b", "file:///%zz", "https://", "http://u:pw@h/",
        ])
    func invalid(_ text: String) async throws {
        let error = try await jobError { _ = try Sink.parse(text) }
        #expect(error.code == .invalidRequest)
        #expect(!error.message.contains("pw"))
    }

    @Test(
        "an unknown scheme is forbidden, and says which there are",
        arguments: ["", "ftp://host/", "s3://bucket/prefix", "db:x", "data:,x", "/tmp/out", "C:\\out"])
    func unknown(_ text: String) async throws {
        let error = try await jobError { _ = try Sink.parse(text) }
        #expect(error.code == .uploadForbidden && !error.retryable)
        #expect(error.message.contains("https://"))
    }

    @Test("exact URLs must be as many as the outputs; collections and db: serve any number")
    func counts() async throws {
        let uploader = try Delivery(DeliveryPolicy()).uploader
        _ = try uploader.plan([], outputCount: 4)
        _ = try uploader.plan(["db:", "https://a.example/x/", "https://b.example/"], outputCount: 4)
        _ = try uploader.plan(["https://a.example/1?s", "db:", "https://a.example/2?s"], outputCount: 2)
        for count in [1, 3] {
            let error = try await jobError {
                _ = try uploader.plan(["https://a.example/1?s=secret", "https://a.example/2"], outputCount: count)
            }
            #expect(error.code == .invalidRequest && !error.retryable)
            #expect(error.message.contains("2 exact") && !error.message.contains("secret"))
        }
    }

    @Test("plain http and unconfigured file sinks are forbidden")
    func policy() async throws {
        let uploader = try Delivery(DeliveryPolicy()).uploader
        for sink in ["http://a.example/x/", "file:///var/lib/janusd/out"] {
            let error = try await jobError { _ = try uploader.plan([sink], outputCount: 1) }
            #expect(error.code == .uploadForbidden && !error.retryable)
        }
    }

    @Test(
        "a file sink outside of its root is forbidden",
        arguments: [
            "file:///etc", "file:///", "file:///state/outputs2", "file:///state", "file:///state/outputs/../..",
            "file:///state/outputs/%2e%2e/x", "file:///state/outputs/./x", "file:///state/outputs/a/..",
        ])
    func outside(_ sink: String) async throws {
        let uploader = try Delivery(DeliveryPolicy(fileRoot: "/state/outputs")).uploader
        let error = try await jobError { _ = try uploader.plan([sink], outputCount: 1) }
        #expect(error.code == .uploadForbidden && !error.retryable)
        #expect(error.message.contains("/state/outputs"))
    }
}
