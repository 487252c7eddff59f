import Foundation
import JanusText
import TestSupport
import Testing

@Suite("Prompt template")
struct PromptTemplateTests {
    struct Conversation: Decodable {
        struct Message: Decodable {
            var role: String
            var content: String
        }
        var name: String
        var system: String
        var messages: [Message]
        var prompt: String
    }

    @Test("every conversation renders as the official code renders it")
    func reference() throws {
        let data = try Data(contentsOf: URL(filePath: Reference.file("Reference/prompts.json")))
        let conversations = try JSONDecoder().decode([Conversation].self, from: data)
        #expect(conversations.count >= 10)
        for conversation in conversations {
            // The template adds the empty last turn itself.
            let turns = try conversation.messages.dropLast().map { message in
                var content = message.content[...]
                var pictures = 0
                while content.hasPrefix("<image_placeholder>\n") {
                    content = content.dropFirst("<image_placeholder>\n".count)
                    pictures += 1
                }
                let role = try #require(PromptTurn.Role(rawValue: message.role))
                return PromptTurn(role: role, content: String(content), pictures: pictures)
            }
            let segments = PromptTemplate.conversation(turns, system: conversation.system)
            #expect(PromptTemplate.text(of: segments) == conversation.prompt, "\(conversation.name)")
            #expect(segments.count { $0 == .picture } == turns.map(\.pictures).reduce(0, +))
        }
    }

    @Test("text around a picture is one segment on each side, and look-alikes stay text")
    func segments() {
        let content = "what does <image_placeholder> mean?"
        let segments = PromptTemplate.conversation(
            [PromptTurn(role: .user, content: content, pictures: 1)], system: "")
        #expect(
            segments == [
                .text("<|User|>: "), .picture, .text("\n" + content + "\n\n<|Assistant|>:"),
            ])
    }

    @Test("a system prompt's leading space goes, as the whole prompt is stripped")
    func systemSpace() {
        let segments = PromptTemplate.conversation([PromptTurn(role: .user, content: "q")], system: " \u{3000}")
        #expect(PromptTemplate.text(of: segments) == "<|User|>: q\n\n<|Assistant|>:")
    }

    @Test("an image is drawn from the prompt without a system prompt")
    func generation() {
        let segments = PromptTemplate.generation("  a red fox\n")
        #expect(segments == [.text("<|User|>: a red fox\n\n<|Assistant|>:"), .special(.beginOfImage)])
    }
}

@Suite("Stop strings")
struct StopStringTests {
    private func run(_ parts: [String], stops: [String]) -> (text: String, isStopped: Bool) {
        var filter = StopStrings(stops)
        var text: [UInt8] = []
        for part in parts { filter.append(Array(part.utf8), to: &text) }
        filter.finish(&text)
        return (String(decoding: text, as: UTF8.self), filter.isStopped)
    }

    @Test("the text ends before a stop string, however it is cut into parts")
    func everyCut() {
        let text = Array("héllo STOP and more")
        for first in 0...text.count {
            for second in first...text.count {
                let parts = [text[..<first], text[first..<second], text[second...]].map { String($0) }
                let result = run(parts, stops: ["STOP", "never"])
                #expect(result.text == "héllo " && result.isStopped)
            }
        }
    }

    @Test("a beginning that is not completed is given out")
    func falseAlarm() {
        #expect(run(["STO", "RK"], stops: ["STOP"]) == ("STORK", false))
        #expect(run(["STO"], stops: ["STOP"]) == ("STO", false))
        #expect(run(["SSTOP"], stops: ["STOP"]) == ("S", true))
    }

    @Test("of two stop strings the one that begins first counts, and a shorter one when the longer does not come")
    func overlapping() {
        #expect(run(["ab", "cdef"], stops: ["abcdef", "cd"]) == ("", true))
        #expect(run(["abcd"], stops: ["abcdef", "cd"]) == ("ab", true))
        #expect(run(["abcdx"], stops: ["abcdef", "cd"]) == ("ab", true))
    }

    @Test("without stop strings everything passes at once")
    func none() {
        var filter = StopStrings([""])
        var text = Array("x".utf8)
        filter.append(Array("abc".utf8), to: &text)
        #expect(text == Array("xabc".utf8))
        #expect(!filter.isStopped)
    }
}
