import Foundation
import JanusJob
import JanusPostgres

extension ClaimedJob {
    init(row: PostgresRow) throws(PostgresError) {
        self.init(
            run: try JobRun(row), claimToken: try row.uuid("claim_token"), uuid: try row.uuid("uuid"),
            owner: try row.text("owner"), model: try row.text("model"), task: try Self.task(row),
            attempt: try row.int("attempts"), attemptsMax: try row.int("max_attempts"),
            runTimeoutSeconds: try row.double("run_timeout"), imageURLs: try row.json("image_urls", as: [String].self),
            inlineImageCount: try row.int("inline_images"), uploadTo: try row.json("upload_to", as: [String].self),
            webhookURL: try row.textIfAny("webhook_url"),
            webhookEvents: try row.json("webhook_events", as: Set<String>.self), isSuspect: try row.bool("is_suspect"),
            traceparent: try row.textIfAny("traceparent"))
    }

    private static func task(_ row: PostgresRow) throws(PostgresError) -> JobTask {
        let name = try row.text("kind")
        guard let kind = JobKind(rawValue: name) else {
            throw .unexpectedResult("there is no kind of job called \(name)")
        }
        switch kind {
        case .generate: return .generate(try row.json("task", as: GenerateRecord.self).parameters)
        case .understand, .chat: return .answer(try row.json("task", as: AnswerRecord.self).parameters)
        }
    }
}

/// `input.task` as `janus.generate` writes it.
private struct GenerateRecord: Decodable {
    let parameters: GenerateParameters

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        parameters = GenerateParameters(
            prompt: try values.decode(String.self, forKey: .prompt),
            images: try values.decode(Int.self, forKey: .images),
            seed: try values.decodeSeed(), cfgWeight: try values.decode(Float.self, forKey: .cfgWeight),
            temperature: try values.decode(Float.self, forKey: .temperature),
            topK: try values.decode(Int.self, forKey: .topK),
            format: try values.decode(ImageFormat.self, forKey: .format))
    }
}

/// `input.task` as `janus.understand` and `janus.chat` write it.
private struct AnswerRecord: Decodable {
    let parameters: AnswerParameters

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        parameters = AnswerParameters(
            messages: try values.decode([ChatMessage].self, forKey: .messages),
            systemPrompt: try values.decodeIfPresent(String.self, forKey: .systemPrompt),
            maxTokens: try values.decode(Int.self, forKey: .maxTokens),
            temperature: try values.decode(Float.self, forKey: .temperature),
            topP: try values.decode(Float.self, forKey: .topP), seed: try values.decodeSeed(),
            stop: try values.decode([String].self, forKey: .stop))
    }
}

private enum Key: String, CodingKey {
    case prompt, images, seed, temperature, format, messages, stop
    case cfgWeight = "cfg_weight"
    case topK = "top_k"
    case topP = "top_p"
    case maxTokens = "max_tokens"
    case systemPrompt = "system_prompt"
}

extension KeyedDecodingContainer<Key> {
    /// Seeds are strings in JSON: numbers beyond 2^53 do not survive every reader.
    fileprivate func decodeSeed() throws -> Int64 {
        let text = try decode(String.self, forKey: .seed)
        guard let seed = Int64(text) else {
            throw DecodingError.dataCorruptedError(
                forKey: .seed, in: self, debugDescription: "the seed is not an integer")
        }
        return seed
    }
}
