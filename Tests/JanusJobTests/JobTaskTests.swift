import Foundation
import JanusJob
import Testing

@Suite struct JobTaskTests {
    static let drawing = #"""
        {"kind": "generate", "prompt": "a fox", "images": 2, "seed": "9223372036854775807", "cfg_weight": 4.5,
         "temperature": 0.5, "top_k": 7, "format": "webp"}
        """#
    static let talk = #"""
        {"kind": "chat", "messages": [{"role": "user", "content": "hi", "images": 1}], "system_prompt": "Be brief.",
         "max_tokens": 8, "temperature": 0, "top_p": 0.5, "seed": "3", "stop": ["\n"]}
        """#

    @Test("a row's JSON is read by its own names, and written with the same")
    func names() throws {
        let task = try JobTask(json: Data(Self.drawing.utf8))
        #expect(
            task
                == .generate(
                    GenerateParameters(
                        prompt: "a fox", images: 2, seed: .max, cfgWeight: 4.5, temperature: 0.5, topK: 7,
                        format: .webp)))
        #expect(task.kind == .generate && task.outputCount == 2)
        let chat = try JobTask(json: Data(Self.talk.utf8))
        #expect(
            chat
                == .chat(
                    AnswerParameters(
                        messages: [ChatMessage(role: .user, content: "hi", images: 1)], systemPrompt: "Be brief.",
                        maxTokens: 8, temperature: 0, topP: 0.5, seed: 3, stop: ["\n"])))
        #expect(chat.kind == .chat && chat.outputCount == 1)
        for (json, task) in [(Self.drawing, task), (Self.talk, chat)] {
            let written = try JSONSerialization.jsonObject(with: JSONEncoder().encode(task)) as? NSDictionary
            #expect(try written == JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary)
        }
    }

    @Test(
        "what is no task is refused with the place and the fault",
        arguments: [
            (#""images": 2"#, #""images": "two""#, "images: "), (#""images": 2, "#, "", "images is missing"),
            (#""images": 2"#, #""images": 0"#, "images is 0"),
            (#""images": 2"#, #""images": 9223372036854775807"#, "images is 9223372036854775807"),
            (#""images": 2"#, #""images": 1e30"#, "too great"),
            (#""seed": "9223372036854775807""#, #""seed": 7"#, "seed: "),
            (#""seed": "9223372036854775807""#, #""seed": "9223372036854775808""#, "seed: "),
            (#""cfg_weight": 4.5"#, #""cfg_weight": 1e300"#, "too great"),
            (#""temperature": 0.5"#, #""temperature": -1"#, "temperature is -1"),
            (#""top_k": 7"#, #""top_k": -1"#, "top_k is -1"), (#""webp""#, #""gif""#, "format: "),
            (#""generate""#, #""paint""#, "kind: "), (#""generate""#, #""chat""#, "messages is missing"),
        ])
    func drawingFaults(old: String, new: String, says: String) {
        refuse(Self.drawing.replacing(old, with: new), says)
    }

    @Test(
        "so is what is no conversation",
        arguments: [
            (#""user""#, #""system""#, "messages[0].role: "),
            (#""user""#, #""assistant""#, "message 0 is the assistant's"),
            (#""images": 1"#, #""images": -1"#, "message 0 has -1 images"),
            (#""images": 1"#, #""images": 65"#, "message 0 has 65 images"),
            (#""max_tokens": 8"#, #""max_tokens": 0"#, "max_tokens is 0"),
            (#""max_tokens": 8"#, #""max_tokens": 9223372036854775807"#, "max_tokens is 9223372036854775807"),
            (#""top_p": 0.5"#, #""top_p": 0"#, "top_p"),
            (#"{"role": "user", "content": "hi", "images": 1}"#, "", "no message"),
        ])
    func talkFaults(old: String, new: String, says: String) {
        refuse(Self.talk.replacing(old, with: new), says)
    }

    private func refuse(_ json: String, _ says: String) {
        let error = #expect(throws: JobError.self) { try JobTask(json: Data(json.utf8)) }
        #expect(error?.code == .invalidRequest && error?.retryable == false)
        #expect(error?.message.contains(says) == true, "\(String(describing: error))")
    }
}
