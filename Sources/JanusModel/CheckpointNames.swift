/// What transformers calls the tensors of Janus's parts, up to what every model of a part's kind has in common.
enum TensorNames {
    static let vision = "model.vision_model"
    static let aligner = "model.aligner"
    static let language = "model.language_model"
    static let languageHead = "lm_head"
    static let generationEmbedding = "model.generation_embeddings"
    static let generationAligner = "model.generation_aligner"
    static let generationHead = "model.generation_head"
    static let imageTokenizer = "model.vqmodel"
}

extension CheckpointLayout {
    /// What this layout calls a tensor. Inside, the transformers names are used (with the vision tower's fused
    /// `self_attn.qkv`, which only the original has); this is the one place that knows the original's.
    func name(_ name: String) -> String {
        switch self {
        case .huggingFace: name
        case .original: Self.originalName(name)
        }
    }

    private static func originalName(_ name: String) -> String {
        for (prefix, original, rules) in originalPrefixes where name.hasPrefix(prefix) {
            var rest = String(name.dropFirst(prefix.count))
            for (from, to) in rules { rest = replacing(from, with: to, in: rest) }
            return original + rest
        }
        return name
    }

    private static let originalPrefixes: [(prefix: String, original: String, rules: [(String, String)])] = [
        (
            TensorNames.vision + ".", "vision_model.vision_tower.",
            [
                ("embeddings.patch_embedding.", "patch_embed.proj."),
                ("embeddings.position_embedding.weight", "pos_embed"),
                ("encoder.layers.", "blocks."), (".layer_norm1.", ".norm1."), (".layer_norm2.", ".norm2."),
                (".self_attn.qkv.", ".attn.qkv."), (".self_attn.projection_layer.", ".attn.proj."),
                ("post_layernorm.", "norm."),
            ]
        ),
        (
            TensorNames.imageTokenizer + ".", "gen_vision_model.",
            [
                ("decoder.up.", "decoder.conv_blocks."), ("encoder.down.", "encoder.conv_blocks."),
                (".block.", ".res."),
                (".mid.block_1.", ".mid.0."), (".mid.attn_1.", ".mid.1."), (".mid.block_2.", ".mid.2."),
            ]
        ),
        (TensorNames.aligner + ".", "aligner.", adaptorRules),
        (TensorNames.generationAligner + ".", "gen_aligner.", adaptorRules),
        (TensorNames.generationEmbedding + ".", "gen_embed.", []),
        (TensorNames.generationHead + ".", "gen_head.", [("proj_out.", "output_mlp_projector.")]),
        (TensorNames.language + ".", "language_model.model.", []),
        (TensorNames.languageHead + ".", "language_model.lm_head.", []),
    ]

    private static let adaptorRules = [("fc1.", "layers.0."), ("hidden_layers.0.", "layers.2.")]

    private static func replacing(_ from: String, with to: String, in text: String) -> String {
        guard let range = text.firstRange(of: from) else { return text }
        return text[..<range.lowerBound] + to + text[range.upperBound...]
    }

    /// Whether only pictures on their way to image tokens go through it: generating and understanding never need it.
    func isOfImageEncoder(_ name: String) -> Bool {
        ["encoder.", "quant_conv."].contains { part in
            name.hasPrefix(self.name(TensorNames.imageTokenizer + "." + part))
        }
    }

    /// Tensors that published checkpoints carry and no computation uses: SigLIP's pooling head, the codebook's usage
    /// counts, and buffers that follow from the configuration.
    func ignores(_ name: String) -> Bool {
        name.hasPrefix("vision_model.vision_tower.attn_pool.") || name.hasSuffix(".codebook_used")
            || name.hasSuffix("rotary_emb.inv_freq") || name.hasSuffix("position_ids")
    }
}

/// The parts that people know, and how to tell a tensor's part by its name.
enum ModelPart: String, CaseIterable {
    case vision = "understanding encoder"
    case aligner = "understanding adaptor"
    case language = "language model"
    case generationEmbedding = "generation embedding"
    case generationAligner = "generation adaptor"
    case generationHead = "generation head"
    case tokenizer = "image tokenizer"

    var prefixes: [String] {
        switch self {
        case .vision: [TensorNames.vision + ".", "vision_model."]
        case .aligner: [TensorNames.aligner + ".", "aligner."]
        case .language: [TensorNames.language + ".", TensorNames.languageHead + ".", "language_model."]
        case .generationEmbedding: [TensorNames.generationEmbedding + ".", "gen_embed."]
        case .generationAligner: [TensorNames.generationAligner + ".", "gen_aligner."]
        case .generationHead: [TensorNames.generationHead + ".", "gen_head."]
        case .tokenizer: [TensorNames.imageTokenizer + ".", "gen_vision_model."]
        }
    }

    init?(tensor name: String) {
        guard let part = Self.allCases.first(where: { $0.prefixes.contains { name.hasPrefix($0) } }) else { return nil }
        self = part
    }
}
