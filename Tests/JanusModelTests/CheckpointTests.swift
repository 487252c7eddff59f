import Foundation
import JanusModel
import JanusTensor
import TestSupport
import Testing

/// A copy of `tiny` that a test spoils.
struct SpoiledCheckpoint {
    let directory: TemporaryDirectory
    var weights: SafetensorsWriter
    var configuration: [String: Any]

    init() throws {
        directory = try TemporaryDirectory()
        weights = try SafetensorsWriter(path: TinyReference.model + "/model.safetensors")
        let data = try Data(contentsOf: URL(filePath: TinyReference.model + "/config.json"))
        configuration = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// Changes one value of a section of config.json.
    mutating func set(_ section: String, _ key: String, _ value: Any?) {
        var inner = configuration[section] as? [String: Any] ?? [:]
        inner[key] = value
        configuration[section] = inner
    }

    func write() throws -> String {
        try directory.write(
            "config.json", try JSONSerialization.data(withJSONObject: configuration, options: .sortedKeys))
        try directory.write("model.safetensors", try weights.encoded())
        return directory.path
    }

    func load(encodes: Bool = false) throws -> JanusModel {
        try JanusModel.load(directory: try write(), encodes: encodes)
    }
}

@Suite("loading a checkpoint is total")
struct CheckpointTests {
    private static let query = "model.language_model.layers.1.self_attn.q_proj.weight"

    /// The error of loading, in words.
    private func refusal(_ checkpoint: SpoiledCheckpoint) throws -> String {
        do {
            _ = try checkpoint.load()
            return "loaded"
        } catch let error as ModelError {
            return error.description
        }
    }

    @Test(
        "a missing tensor is named",
        arguments: [
            query, "lm_head.weight", "model.vqmodel.decoder.up.0.attn.2.norm.bias",
            "model.language_model.embed_tokens.weight",
            "model.vision_model.embeddings.position_embedding.weight", "model.vqmodel.quantize.embedding.weight",
            "model.vision_model.encoder.layers.0.mlp.fc1.weight", "model.aligner.fc1.bias",
            "model.generation_embeddings.weight",
            "model.vqmodel.encoder.conv_in.weight", "model.vqmodel.encoder.down.0.block.0.norm1.weight",
        ])
    func missing(name: String) throws {
        var checkpoint = try SpoiledCheckpoint()
        checkpoint.weights.tensors[name] = nil
        #expect(try refusal(checkpoint).contains(name))
    }

    @Test("an extra tensor is named, a known useless one is not")
    func extra() throws {
        var checkpoint = try SpoiledCheckpoint()
        checkpoint.weights.add("model.language_model.rotary_emb.inv_freq", [1], shape: [1])
        checkpoint.weights.add("model.vision_model.embeddings.position_ids", [1], shape: [1])
        #expect(try refusal(checkpoint) == "loaded")
        checkpoint.weights.add("model.language_model.layers.2.input_layernorm.weight", [1], shape: [1])
        #expect(try refusal(checkpoint).contains("model.language_model.layers.2.input_layernorm.weight"))
    }

    @Test(
        "a misshapen tensor is named",
        arguments: [
            (query, [32, 128]), (query, [4096]), ("model.vqmodel.encoder.down.0.block.1.conv1.weight", [32, 32, 9]),
            ("model.language_model.norm.weight", [8, 8]), ("model.vqmodel.quantize.embedding.weight", [1024]),
            ("model.vision_model.embeddings.position_embedding.weight", [8, 256]), ("lm_head.weight", [64, 640]),
            ("model.vision_model.embeddings.patch_embedding.weight", [128, 3, 256]),
        ])
    func misshapen(name: String, shape: [Int]) throws {
        var checkpoint = try SpoiledCheckpoint()
        checkpoint.weights.tensors[name]?.shape = shape
        #expect(try refusal(checkpoint).contains("\(name) has shape \(shape)"))
    }

    @Test("a tensor of integers is no weight")
    func integers() throws {
        var checkpoint = try SpoiledCheckpoint()
        checkpoint.weights.tensors[Self.query]?.type = "I16"
        #expect(try refusal(checkpoint).contains("I16"))
    }

    static let badValues: [(String, String, any Sendable)] = [
        ("text_config", "hidden_size", 1 << 40), ("text_config", "hidden_size", -64), ("text_config", "hidden_size", 0),
        ("text_config", "num_hidden_layers", Int.max), ("text_config", "num_attention_heads", 0),
        ("text_config", "num_key_value_heads", 3), ("text_config", "head_dim", 15),
        ("text_config", "hidden_act", "gelu"),
        ("text_config", "rms_norm_eps", -1), ("text_config", "vocab_size", "many"), ("text_config", "rope_theta", 0),
        ("text_config", "rope_parameters", ["rope_type": "yarn"]), ("text_config", "max_position_embeddings", 1 << 60),
        ("vision_config", "image_size", 63), ("vision_config", "num_attention_heads", 3),
        ("vision_config", "use_qk_norm", true), ("vision_config", "hidden_act", "gelu_pytorch_tanh"),
        ("vision_config", "params", ["pixel_mean": [0.5, 0.5, 0.5]]), ("vision_config", "params", ["select_layer": -2]),
        ("vq_config", "base_channels", 33), ("vq_config", "channel_multiplier", [1, 1, 1, 1, Int.max]),
        ("vq_config", "channel_multiplier", [Int]()), ("vq_config", "num_patches", 5),
        ("vq_config", "num_patches", Int.max),
        ("vq_config", "double_latent", true),
    ]

    @Test("a value of config.json that cannot be is named", arguments: badValues.indices)
    func configuration(index: Int) throws {
        let (section, key, value) = Self.badValues[index]
        var checkpoint = try SpoiledCheckpoint()
        checkpoint.set(section, key, value)
        let refusal = try refusal(checkpoint)
        #expect(refusal.contains("config.json") && refusal != "loaded", "\(section).\(key): \(refusal)")
    }

    @Test("Llama's defaults stand where the config is silent; rope_theta has three places")
    func defaults() throws {
        var checkpoint = try SpoiledCheckpoint()
        for key in ["rms_norm_eps", "rope_parameters", "head_dim", "num_key_value_heads", "hidden_act", "vocab_size"] {
            checkpoint.set("text_config", key, nil)
        }
        let silent = try checkpoint.load().configuration.language
        #expect(silent.normEpsilon == 1e-6 && silent.ropeTheta == 10_000 && silent.headSize == 16)
        #expect(silent.keyValueHeads == 4 && silent.vocabularySize == 640)
        checkpoint.set("text_config", "rope_theta", 500)
        #expect(try checkpoint.load().configuration.language.ropeTheta == 500)
        checkpoint.set("text_config", "rope_theta", nil)
        checkpoint.set("text_config", "rope_parameters", ["rope_theta": 600])
        #expect(try checkpoint.load().configuration.language.ropeTheta == 600)
        checkpoint.set("text_config", "num_hidden_layers", nil)
        #expect(try refusal(checkpoint).contains("layers.2"))
    }

    @Test("a missing head is the embedding where the config ties them; a head that is there wins")
    func tied() throws {
        var checkpoint = try SpoiledCheckpoint()
        let tokens: [Int32] = [1, 2, 3]
        func logits(_ model: JanusModel) throws -> [Float] {
            model.textLogits(try model.embed(tokens: tokens)).array()
        }
        let own = try logits(try checkpoint.load())
        checkpoint.configuration["tie_word_embeddings"] = true
        #expect(try logits(try checkpoint.load()) == own)
        checkpoint.weights.tensors["lm_head.weight"] = nil
        let tied = try logits(try checkpoint.load())
        checkpoint.weights.tensors["lm_head.weight"] =
            checkpoint.weights.tensors["model.language_model.embed_tokens.weight"]
        #expect(try logits(try checkpoint.load()) == tied && tied != own)
    }

    @Test("a directory that is no model says what it lacks")
    func notAModel() throws {
        let directory = try TemporaryDirectory()
        func words() -> String {
            do {
                _ = try JanusModel.load(directory: directory.path)
                return "loaded"
            } catch {
                return error.description
            }
        }
        #expect(words().contains("no config.json"))
        try directory.write("config.json", Data("{".utf8))
        #expect(words().contains("not valid JSON"))
        try directory.write("config.json", Data(#"{"model_type": "llama"}"#.utf8))
        #expect(words().contains("model_type is llama"))
        try directory.write("config.json", Data(#"{"model_type": "janus"}"#.utf8))
        #expect(words().contains("model.safetensors"))
        try directory.write("pytorch_model.bin", Data([1]))
        #expect(words().contains("convert"))
        try directory.write("model.safetensors", Data([1, 2, 3]))
        #expect(words().contains("too few for a header"))
        try directory.write("model.safetensors", SafetensorsWriter.file(header: Data("{}".utf8), data: Data()))
        #expect(words().contains("vision_config"))
    }

    @Test("weights cut short are refused")
    func truncated() throws {
        let checkpoint = try SpoiledCheckpoint()
        let path = try checkpoint.write()
        let whole = try checkpoint.weights.encoded()
        try checkpoint.directory.write("model.safetensors", whole.prefix(whole.count - 1))
        #expect(throws: ModelError.self) { try JanusModel.load(directory: path) }
        #expect(throws: ModelError.self) { try JanusModel.describe(ModelLocation.find(path)) }
    }

    @Test("the parts, their parameters and memory come from the headers alone")
    func describe() throws {
        let description = try JanusModel.describe(ModelLocation.find(TinyReference.model))
        let model = try JanusModel.load(directory: TinyReference.model)
        #expect(description.configuration == model.configuration && description.fingerprint == model.fingerprint)
        #expect(description.fingerprint.count == 64)
        #expect(description.parts.map(\.name).contains("language model") && description.parts.count == 7)
        #expect(description.parts.allSatisfy { $0.bytes == 2 * $0.parameters && $0.tensors > 0 })
        // all but what only encodes images
        let encoder = try SafetensorsFile(path: TinyReference.model + "/model.safetensors").entries
            .filter { $0.key.hasPrefix("model.vqmodel.encoder.") || $0.key.hasPrefix("model.vqmodel.quant_conv.") }
            .reduce(0) { $0 + $1.value.count }
        #expect(encoder > 0)
        #expect(description.memoryBytes == description.parts.reduce(0) { $0 + 4 * $1.parameters } - 4 * encoder)
        #expect(description.ignored.tensors == 0)
    }

    @Test("another config or header is another fingerprint")
    func fingerprint() throws {
        var checkpoint = try SpoiledCheckpoint()
        let first = try checkpoint.load().fingerprint
        #expect(try checkpoint.load().fingerprint == first)
        checkpoint.configuration["comment"] = "other"
        #expect(try checkpoint.load().fingerprint != first)
    }

    @Test("progress grows to 1")
    func progress() throws {
        var seen: [Double] = []
        _ = try JanusModel.load(directory: TinyReference.model) { seen.append($0) }
        #expect(seen == seen.sorted() && seen.last == 1 && seen.count > 100)
    }
}
