import JanusTensor

/// Finds all sizes: what config.json says, Llama's defaults where it is silent, and the rest from the tensors' shapes.
struct ConfigurationReader {
    let path: String
    let file: ConfigurationFile
    let layout: CheckpointLayout
    let checkpoint: SafetensorsCheckpoint

    /// No size of any Janus comes near; it keeps every product of sizes far from overflow.
    private static let sizeMax = 1 << 20
    private static let positionsMax = 1 << 17
    private static let levelsMax = 8
    private static let normGroups = 32

    func read() throws(ModelError) -> JanusConfiguration {
        let vision = try vision()
        let tokenizer = try tokenizer(imageSize: vision.imageSize)
        return JanusConfiguration(layout: layout, vision: vision, language: try language(), tokenizer: tokenizer)
    }

    private func wrong(_ key: String, _ reason: String) -> ModelError {
        .configuration(file: path, key: key, reason: reason)
    }

    private func size(_ value: Int?, _ fallback: Int, _ key: String, max: Int = sizeMax) throws(ModelError) -> Int {
        let value = value ?? fallback
        guard value >= 1, value <= max else { throw wrong(key, "is \(value), outside 1…\(max)") }
        return value
    }

    private func epsilon(_ value: Double?, _ key: String) throws(ModelError) -> Float {
        let value = value ?? 1e-6
        guard value.isFinite, value >= 0, value < 1 else { throw wrong(key, "is \(value)") }
        return Float(value)
    }

    /// - Parameter dimensions: how many the tensor must have.
    private func shape(_ name: String, dimensions: Int) throws(ModelError) -> [Int] {
        let own = layout.name(name)
        guard let entry = checkpoint.entry(own) else { throw .missingTensor(name: own) }
        guard entry.shape.count == dimensions, entry.shape.allSatisfy({ (1...Self.sizeMax).contains($0) }) else {
            throw .misshapenTensor(name: own, expected: "\(dimensions) sides in 1…\(Self.sizeMax)", found: entry.shape)
        }
        return entry.shape
    }

    /// How many of prefix0, prefix1, … exist, by a tensor that each has.
    private func count(_ prefix: String, _ suffix: String) -> Int {
        var count = 0
        while checkpoint.entry(layout.name("\(prefix)\(count)\(suffix)")) != nil { count += 1 }
        return count
    }

    private func language() throws(ModelError) -> LanguageConfiguration {
        let key = layout == .huggingFace ? "text_config" : "language_config"
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
        guard theta.isFinite, theta >= 1 else { throw wrong("\(key).rope_theta", "is \(theta)") }
        let hidden = try size(text.hiddenSize, 4096, "\(key).hidden_size")
        let heads = try size(text.numAttentionHeads, 32, "\(key).num_attention_heads")
        let keyValueHeads = try size(text.numKeyValueHeads, heads, "\(key).num_key_value_heads")
        guard heads % keyValueHeads == 0 else {
            throw wrong("\(key).num_key_value_heads", "is \(keyValueHeads), which does not divide \(heads) heads")
        }
        let headSize = try size(text.headDim, hidden / heads, "\(key).head_dim", max: KeyValuePagePool.headSizeMax)
        guard headSize % 2 == 0 else { throw wrong("\(key).head_dim", "is \(headSize), which is odd") }
        let rows = try shape("model.language_model.embed_tokens.weight", dimensions: 2)[0]
        return LanguageConfiguration(
            hiddenSize: hidden, mlpWidth: try size(text.intermediateSize, 11_008, "\(key).intermediate_size"),
            layers: try size(text.numHiddenLayers, 32, "\(key).num_hidden_layers"), heads: heads,
            keyValueHeads: keyValueHeads, headSize: headSize,
            vocabularySize: try size(text.vocabSize, rows, "\(key).vocab_size"),
            positionsMax: try size(
                text.maxPositionEmbeddings, 16_384, "\(key).max_position_embeddings", max: Self.positionsMax),
            normEpsilon: try epsilon(text.rmsNormEps, "\(key).rms_norm_eps"), ropeTheta: theta,
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
        let patch = try shape("model.vision_model.embeddings.patch_embedding.weight", dimensions: 4)
        let width = patch[0]
        let positionName = "model.vision_model.embeddings.position_embedding.weight"
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
        guard width % heads == 0 else {
            throw wrong("vision_config.num_attention_heads", "is \(heads), which does not divide the width \(width)")
        }
        guard width / heads <= KeyValuePagePool.headSizeMax else {
            throw wrong("vision_config.num_attention_heads", "is \(heads): heads of \(width / heads) are too wide")
        }
        let layers = count("model.vision_model.encoder.layers.", ".layer_norm1.weight")
        let mlp = try shape("model.vision_model.encoder.layers.0.mlp.fc1.weight", dimensions: 2)
        return VisionConfiguration(
            imageSize: imageSize, patchSize: patch[2], width: width, layers: layers, heads: heads, mlpWidth: mlp[0],
            layerNormEpsilon: try epsilon(vision.layerNormEps, "vision_config.layer_norm_eps"))
    }

    /// SigLIP's; the original config does not say it.
    private static let visionHeadSize = 64

    private func tokenizer(imageSize: Int) throws(ModelError) -> ImageTokenizerConfiguration {
        let vq = file.tokenizer
        if vq?.doubleLatent == true { throw wrong("vq_config.double_latent", "is not supported") }
        let codebook = try shape("model.vqmodel.quantize.embedding.weight", dimensions: 2)
        let latent = try shape("model.vqmodel.encoder.conv_out.weight", dimensions: 4)[0]
        let stem = try shape("model.vqmodel.encoder.conv_in.weight", dimensions: 4)[0]
        let base = vq?.baseChannels ?? stem
        let channels = try levelChannels(base: base)
        for channel in channels + [base] where channel < 1 || channel > Self.sizeMax || channel % Self.normGroups != 0 {
            throw wrong("vq_config", "has a level of \(channel) channels, not a multiple of \(Self.normGroups)")
        }
        guard let attending = channels.last, attending <= KeyValuePagePool.headSizeMax else {
            throw wrong("vq_config", "attends over more than \(KeyValuePagePool.headSizeMax) channels")
        }
        let halvings = channels.count - 1
        let side = try size(vq?.numPatches, max(imageSize >> halvings, 1), "vq_config.num_patches")
        guard side << halvings == imageSize else {
            throw wrong(
                "vq_config.num_patches",
                "is \(side): \(side) × \(side) tokens decode to \(side << halvings) pixels a side, not \(imageSize)")
        }
        return ImageTokenizerConfiguration(
            codebookSize: codebook[0], codeWidth: codebook[1], latentChannels: latent, baseChannels: base,
            levelChannels: channels,
            encoderBlocks: max(count("model.vqmodel.encoder.down.0.block.", ".norm1.weight"), 1),
            decoderBlocks: max(count("model.vqmodel.decoder.up.0.block.", ".norm1.weight"), 1), gridSide: side)
    }

    private func levelChannels(base: Int) throws(ModelError) -> [Int] {
        if let multipliers = file.tokenizer?.channelMultiplier {
            guard (1...Self.levelsMax).contains(multipliers.count) else {
                throw wrong("vq_config.channel_multiplier", "has \(multipliers.count) levels (1…\(Self.levelsMax))")
            }
            return try multipliers.map { multiplier throws(ModelError) in
                let (product, overflow) = multiplier.multipliedReportingOverflow(by: base)
                guard !overflow else { throw wrong("vq_config.channel_multiplier", "is \(multiplier)") }
                return product
            }
        }
        let levels = count("model.vqmodel.encoder.down.", ".block.0.norm2.weight")
        guard (1...Self.levelsMax).contains(levels) else {
            throw .missingTensor(name: layout.name("model.vqmodel.encoder.down.0.block.0.norm2.weight"))
        }
        return try (0..<levels).map { level throws(ModelError) in
            try shape("model.vqmodel.encoder.down.\(level).block.0.norm2.weight", dimensions: 1)[0]
        }
    }
}
