import JanusHTTP
import Testing

@Suite("URLs")
struct HTTPURLTests {
    @Test(
        "what is not plainly an http or https URL is refused",
        arguments: [
            "", "example.com/x", "//example.com/x", "ftp://example.com/x", "file:///etc/passwd", "gopher://example.com",
            "http:example.com", "http:/example.com", "http:///example.com", "http://", "http:///", "https://:80/",
            "http://user@example.com/", "http://user:secret@example.com/", "http://example.com:99999/",
            "http://example.com/a b", "http://example.com/\n", "http://example.com/\u{0}", "http://exämple.com/",
            "http://[::1", "http://exa\\mple.com/", "http://example.com/" + String(repeating: "a", count: 8192),
        ])
    func refused(_ text: String) {
        #expect {
            try HTTPURL(text)
        } throws: { error in
            guard case HTTPError.invalidURL = error else { return false }
            return !"\(error)".contains("secret")
        }
    }

    @Test("the description has neither query nor fragment")
    func redacted() throws {
        let url = try HTTPURL("HTTPS://Example.com:8443/a/../b%2Fc?X-Amz-Signature=secret#part")
        #expect(url.description == "https://Example.com:8443/a/../b%2Fc")
        #expect(url.query == "X-Amz-Signature=secret")
        #expect(url.text.hasSuffix("?X-Amz-Signature=secret"))
        #expect(url.isSecure)
        #expect(try HTTPURL("http://example.com").path == "/")
    }

    @Test("what people type becomes what is carried; what is carried already stays")
    func carried() throws {
        for (typed, carried) in [
            ("https://Bücher.example/a b?q=ü&r", "https://xn--bcher-kva.example/a%20b?q=%C3%BC&r"),
            ("HTTPS://例え.テスト:8443", "HTTPS://xn--r8jz45g.xn--zckzah:8443"),
            ("https://x.example/a%20b", "https://x.example/a%20b"),
        ] {
            #expect(try HTTPURL.carried(typed).text == carried)
        }
        #expect(throws: HTTPError.self) { try HTTPURL.carried("https://me@bücher.example/") }
        #expect(throws: HTTPError.self) { try HTTPURL.carried("ftp://x/") }
    }

    @Test("receivers are told apart by scheme, host and port, in whatever case")
    func origin() throws {
        #expect(try HTTPURL("HTTPS://Example.com:8443/a?b").origin == "https://example.com:8443")
        #expect(try HTTPURL("https://example.com/a").origin == HTTPURL("https://EXAMPLE.com/b").origin)
    }

    @Test("a name is appended to the path, before the query")
    func appending() throws {
        let url = try HTTPURL("https://store.example/bucket/?sv=1&sig=%2B").appending(path: "a/0.png")
        #expect(url.text == "https://store.example/bucket/a/0.png?sv=1&sig=%2B")
        #expect(url.description == "https://store.example/bucket/a/0.png")
    }
}
