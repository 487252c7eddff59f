import Foundation
import JanusModel
import JanusTensor
import TestSupport
import Testing

@Suite("layouts and files of a checkpoint give the same model")
struct LayoutTests {
    /// Something that every part has a hand in.
    private func outputs(_ model: JanusModel) throws -> [[Float]] {
        let side = model.configuration.imageSize
        let pixels = (0..<side * side * 3).map { Float($0 % 255) / 127.5 - 1 }
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: 64)
        let picture = try model.imageEmbeddings(pixels: pixels)
        let hidden = try model.forward(picture, spans: [.init(row: 0, positions: picture.rows)], cache: cache)
        let tokens = try model.encodeImage(pixels: pixels)
        return [
            hidden.array(), model.textLogits(hidden).array(), model.imageLogits(hidden).array(),
            try model.embed(imageTokens: tokens).array(), try model.decodeImage(tokens: tokens).array(),
        ]
    }

    private func expectSame(_ checkpoint: SpoiledCheckpoint) throws {
        let found = try outputs(try checkpoint.load(encodes: true))
        let expected = try outputs(try JanusModel.load(directory: TinyReference.model, encodes: true))
        for (a, b) in zip(found, expected) { #expect(relativeError(a, b) < 1e-6) }
    }

    @Test("bf16 stored as f32")
    func wide() throws {
        var checkpoint = try SpoiledCheckpoint()
        for (name, tensor) in checkpoint.weights.tensors {
            let zeros = Data([0, 0])
            let wide = stride(from: 0, to: tensor.data.count, by: 2).reduce(into: Data()) {
                $0 += zeros + tensor.data[$1..<$1 + 2]
            }
            checkpoint.weights.tensors[name] = .init(type: "F32", shape: tensor.shape, data: wide)
        }
        try expectSame(checkpoint)
    }

    @Test("in several files with an index; an index that lies is refused")
    func sharded() throws {
        let checkpoint = try SpoiledCheckpoint()
        let path = try checkpoint.write()
        try FileManager.default.removeItem(atPath: path + "/model.safetensors")
        var parts = [SafetensorsWriter(), SafetensorsWriter(), SafetensorsWriter()]
        var map: [String: String] = [:]
        for (index, name) in checkpoint.weights.tensors.keys.sorted().enumerated() {
            parts[index % 3].tensors[name] = checkpoint.weights.tensors[name]
            map[name] = "model-\(index % 3).safetensors"
        }
        for (index, part) in parts.enumerated() {
            try checkpoint.directory.write("model-\(index).safetensors", try part.encoded())
        }
        func write(_ map: [String: String]) throws {
            let json = try JSONSerialization.data(withJSONObject: ["metadata": [:], "weight_map": map])
            try checkpoint.directory.write("model.safetensors.index.json", json)
        }
        try write(map)
        let found = try outputs(try JanusModel.load(directory: path, encodes: true))
        #expect(found == (try outputs(try JanusModel.load(directory: TinyReference.model, encodes: true))))
        #expect(try JanusModel.describe(ModelLocation.find(path)).files.count == 3)

        for (name, file) in [
            ("lm_head.weight", "model-9.safetensors"), ("lm_head.weight", "../model-0.safetensors"),
            (
                "lm_head.weight",
                map["lm_head.weight"] == "model-1.safetensors" ? "model-2.safetensors" : "model-1.safetensors"
            ),
            ("absent", "model-0.safetensors"),
        ] {
            try write(map.merging([name: file]) { $1 })
            #expect(throws: ModelError.self) { try JanusModel.load(directory: path) }
        }
        var short = map
        short["lm_head.weight"] = nil
        try write(short)
        #expect(throws: ModelError.self) { try JanusModel.load(directory: path) }
        try checkpoint.directory.write("model.safetensors.index.json", Data("{}".utf8))
        #expect(throws: ModelError.self) { try JanusModel.load(directory: path) }
    }

    @Test("the original layout's names, with what it carries unused")
    func original() throws {
        var checkpoint = try SpoiledCheckpoint()
        var renamed = SafetensorsWriter()
        for (name, tensor) in checkpoint.weights.tensors {
            guard !name.contains("vision_model") || !name.contains("self_attn.") || name.contains("projection") else {
                continue
            }
            renamed.tensors[Self.original(name)] = tensor
        }
        for layer in 0..<2 {
            for kind in ["weight", "bias"] {
                let thirds = ["q", "k", "v"].compactMap {
                    checkpoint.weights.tensors[
                        "model.vision_model.encoder.layers.\(layer).self_attn.\($0)_proj.\(kind)"]
                }
                let whole = thirds.reduce(into: Data()) { $0 += $1.data }
                renamed.tensors["vision_model.vision_tower.blocks.\(layer).attn.qkv.\(kind)"] = .init(
                    type: "BF16", shape: kind == "weight" ? [384, 128] : [384], data: whole)
            }
        }
        renamed.tensors["vision_model.vision_tower.pos_embed"]?.shape = [1, 16, 128]
        renamed.add("vision_model.vision_tower.attn_pool.latent", [0], shape: [1, 1, 1])
        renamed.add("gen_vision_model.quantize.codebook_used", [0], shape: [1])
        checkpoint.weights = renamed
        checkpoint.configuration = [
            "model_type": "multi_modality",
            "language_config": [
                "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4, "num_hidden_layers": 2,
                "num_key_value_heads": 4, "vocab_size": 640, "max_position_embeddings": 16_384,
            ],
            "vision_config": ["cls": "CLIPVisionTower", "params": ["image_size": 64, "select_layer": -1]],
        ]
        try expectSame(checkpoint)
        #expect(try JanusModel.describe(ModelLocation.find(try checkpoint.write())).ignored.tensors == 2)
    }

    /// MODEL's table of names, written down a second time.
    private static func original(_ name: String) -> String {
        let rules = [
            ("model.vision_model.embeddings.patch_embedding", "vision_model.vision_tower.patch_embed.proj"),
            ("model.vision_model.embeddings.position_embedding.weight", "vision_model.vision_tower.pos_embed"),
            ("model.vision_model.encoder.layers", "vision_model.vision_tower.blocks"),
            ("model.vision_model.post_layernorm", "vision_model.vision_tower.norm"),
            ("self_attn.projection_layer", "attn.proj"), ("layer_norm", "norm"),
            ("model.aligner.fc1", "aligner.layers.0"), ("model.aligner.hidden_layers.0", "aligner.layers.2"),
            ("model.generation_aligner.fc1", "gen_aligner.layers.0"),
            ("model.generation_aligner.hidden_layers.0", "gen_aligner.layers.2"),
            ("model.generation_embeddings", "gen_embed"),
            ("model.generation_head.proj_out", "gen_head.output_mlp_projector"), ("model.generation_head", "gen_head"),
            ("model.vqmodel.decoder.up", "gen_vision_model.decoder.conv_blocks"),
            ("model.vqmodel.encoder.down", "gen_vision_model.encoder.conv_blocks"),
            ("model.vqmodel", "gen_vision_model"),
            (".block.", ".res."), ("mid.block_1", "mid.0"), ("mid.attn_1", "mid.1"), ("mid.block_2", "mid.2"),
            ("model.language_model", "language_model.model"), ("lm_head", "language_model.lm_head"),
        ]
        var name = name
        for (from, to) in rules where !(from == "lm_head" && name.hasPrefix("language_model")) {
            name = name.replacingOccurrences(of: from, with: to)
        }
        return name
    }
}
