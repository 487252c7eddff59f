import JanusTensor

/// Finds all sizes: what config.json says, Llama's defaults where it is silent, and the rest from the tensors' shapes.
struct ConfigurationReader {
    let path: String
    let file: ConfigurationFile
    let layout: CheckpointLayout
    let checkpoint: any Checkpoint

    private static let sizeMax = JanusConfiguration.sizeMax

    func read() throws(ModelError) -> JanusConfiguration {
        let vision = try vision()
        let tokenizer = try tokenizer(imageSize: vision.imageSize)
        let configuration = JanusConfiguration(
            layout: layout, vision: vision, language: try language(), tokenizer: tokenizer)
        if let fault = configuration.fault { throw wrong(section(fault.part), "makes no sound model: \(fault.reason)") }
        return configuration
    }

    /// Of config.json.
    private func section(_ part: ArchitectureFault.Part) -> String {
        switch part {
        case .vision: "vision_config"
        case .language: layout == .huggingFace ? "text_config" : "language_config"
        case .tokenizer: "vq_config"
        }
    }

    private func wrong(_ key: String, _ reason: String) -> ModelError {
        .configuration(file: path, key: key, reason: reason)
    }

    /// What can be divided by and multiplied with before all sizes are known; `fault` judges them together.
    private func size(_ value: Int?, _ fallback: Int, _ key: String) throws(ModelError) -> Int {
        let value = value ?? fallback
        guard (1...Self.sizeMax).contains(value) else { throw wrong(key, "is \(value), outside 1…\(Self.sizeMax)") }
        return value
    }

    private func epsilon(_ value: Double?) -> Float { Float(value ?? 1e-6) }

    /// - Parameter dimensions: how many the tensor must have.
    private func shape(_ name: String, dimensions: Int) throws(ModelError) -> [Int] {
        let own = layout.name(name)
        guard let entry = checkpoint.entries[own] else { throw .missingTensor(name: own) }
        guard entry.shape.count == dimensions, entry.shape.allSatisfy({ (1...Self.sizeMax).contains($0) }) else {
            throw .misshapenTensor(name: own, expected: "\(dimensions) sides in 1…\(Self.sizeMax)", found: entry.shape)
        }
        return entry.shape
    }

    /// How many of prefix0, prefix1, … exist, by a tensor that each has.
    private func count(_ prefix: String, _ suffix: String) -> Int {
        var count = 0
        while checkpoint.entries[layout.name("\(prefix)\(count)\(suffix)")] != nil { count += 1 }
        return count
    }

    private func language() throws(ModelError) -> LanguageConfiguration {
        let key = section(.language)
        guard let text = file.language else { throw wrong(key, "is missing") }
        if let activation = text.hiddenAct, activation != "silu" {
            throw wrong("\(key).hidden_act", "is \(activation); only silu is supported")
        }
        for rope in [text.ropeParameters, text.ropeScaling] {
            if let type = rope?.ropeType ?? rope?.type, type != "default" {
                throw wrong("\(key).rope_parameters", "is of type \(type); only default is supported")
            }
        }
        let theta = text.ropeTheta ?? text.ropeParameters?.ropeTheta ?? 10_000
        let hidden = try size(text.hiddenSize, 4096, "\(key).hidden_size")
        let heads = try size(text.numAttentionHeads, 32, "\(key).num_attention_heads")
        let keyValueHeads = try size(text.numKeyValueHeads, heads, "\(key).num_key_value_heads")
        let headSize = try size(text.headDim, hidden / heads, "\(key).head_dim")
        let rows = try shape(TensorNames.language + ".embed_tokens.weight", dimensions: 2)[0]
        return LanguageConfiguration(
            hiddenSize: hidden, mlpWidth: try size(text.intermediateSize, 11_008, "\(key).intermediate_size"),
            layers: try size(text.numHiddenLayers, 32, "\(key).num_hidden_layers"), heads: heads,
            keyValueHeads: keyValueHeads, headSize: headSize,
            vocabularySize: try size(text.vocabSize, rows, "\(key).vocab_size"),
            positionsMax: try size(text.maxPositionEmbeddings, 16_384, "\(key).max_position_embeddings"),
            normEpsilon: epsilon(text.rmsNormEps), ropeTheta: theta,
            tiesEmbeddings: file.tieWordEmbeddings ?? text.tieWordEmbeddings ?? false)
    }

    private func vision() throws(ModelError) -> VisionConfiguration {
        guard let vision = file.vision else { throw wrong("vision_config", "is missing") }
        if let activation = vision.hiddenAct, activation != "gelu" {
            throw wrong("vision_config.hidden_act", "is \(activation); only gelu is supported")
        }
        if vision.useQkNorm == true { throw wrong("vision_config.use_qk_norm", "is not supported") }
        if vision.params?.pixelMean != nil || vision.params?.pixelStd != nil {
            throw wrong("vision_config.params.pixel_mean/pixel_std", "asks for a second normalisation: not supported")
        }
        if let layer = vision.params?.selectLayer, layer != -1 {
            throw wrong("vision_config.params.select_layer", "is \(layer); only -1 is supported")
        }
        if let feature = vision.params?.selectFeature, feature != "same" {
            throw wrong("vision_config.params.select_feature", "is \(feature); only same is supported")
        }
        let patch = try shape(TensorNames.vision + ".embeddings.patch_embedding.weight", dimensions: 4)
        let width = patch[0]
        let positionName = TensorNames.vision + ".embeddings.position_embedding.weight"
        let positions = try shape(positionName, dimensions: layout == .huggingFace ? 2 : 3)
        let tokens = positions[positions.count - 2]
        let side = Int(Double(tokens).squareRoot())
        guard side * side == tokens else {
            throw .misshapenTensor(name: layout.name(positionName), expected: "a square of patches", found: positions)
        }
        let imageSize = side * patch[2]
        if let said = vision.imageSize ?? vision.params?.imageSize, said != imageSize {
            throw wrong(
                "vision_config.image_size",
                "is \(said), but the tensors are for \(side) × \(side) patches of \(patch[2])")
        }
        let heads = try size(
            vision.numAttentionHeads, max(width / Self.visionHeadSize, 1), "vision_config.num_attention_heads")
        let layers = count(TensorNames.vision + ".encoder.layers.", ".layer_norm1.weight")
        let mlp = try shape(TensorNames.vision + ".encoder.layers.0.mlp.fc1.weight", dimensions: 2)
        return VisionConfiguration(
            imageSize: imageSize, patchSize: patch[2], width: width, layers: layers, heads: heads, mlpWidth: mlp[0],
            layerNormEpsilon: epsilon(vision.layerNormEps))
    }

    /// SigLIP's; the original config does not say it.
    private static let visionHeadSize = 64

    private func tokenizer(imageSize: Int) throws(ModelError) -> ImageTokenizerConfiguration {
        let vq = file.tokenizer
        if vq?.doubleLatent == true { throw wrong("vq_config.double_latent", "is not supported") }
        let codebook = try shape(TensorNames.imageTokenizer + ".quantize.embedding.weight", dimensions: 2)
        let latent = try shape(TensorNames.imageTokenizer + ".encoder.conv_out.weight", dimensions: 4)[0]
        let stem = try shape(TensorNames.imageTokenizer + ".encoder.conv_in.weight", dimensions: 4)[0]
        let base = vq?.baseChannels ?? stem
        let channels = try levelChannels(base: base)
        let side = try size(vq?.numPatches, max(imageSize >> (channels.count - 1), 1), "vq_config.num_patches")
        return ImageTokenizerConfiguration(
            codebookSize: codebook[0], codeWidth: codebook[1], latentChannels: latent, baseChannels: base,
            levelChannels: channels,
            encoderBlocks: max(count(TensorNames.imageTokenizer + ".encoder.down.0.block.", ".norm1.weight"), 1),
            decoderBlocks: max(count(TensorNames.imageTokenizer + ".decoder.up.0.block.", ".norm1.weight"), 1),
            gridSide: side)
    }

    private func levelChannels(base: Int) throws(ModelError) -> [Int] {
        if let multipliers = file.tokenizer?.channelMultiplier {
            return try multipliers.map { multiplier throws(ModelError) in
                let (product, overflow) = multiplier.multipliedReportingOverflow(by: base)
                guard !overflow else { throw wrong("vq_config.channel_multiplier", "is \(multiplier)") }
                return product
            }
        }
        let levels = count(TensorNames.imageTokenizer + ".encoder.down.", ".block.0.norm2.weight")
        guard levels > 0 else {
            throw .missingTensor(name: layout.name(TensorNames.imageTokenizer + ".encoder.down.0.block.0.norm2.weight"))
        }
        return try (0..<levels).map { level throws(ModelError) in
            try shape(TensorNames.imageTokenizer + ".encoder.down.\(level).block.0.norm2.weight", dimensions: 1)[0]
        }
    }
}
