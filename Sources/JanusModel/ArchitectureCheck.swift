import JanusTensor

/// What a pack says about its sizes is believed only within bounds: a checkpoint's are checked as they are read.
extension JanusConfiguration {
    /// As `ConfigurationReader` has it: far from any overflow of products.
    private static let sizeMax = 1 << 20
    private static let levelsMax = 8
    private static let normGroups = 32

    /// - Returns: the first thing that cannot be; nil when there is none.
    var fault: String? {
        let sizes = [
            ("vision.imageSize", vision.imageSize), ("vision.patchSize", vision.patchSize),
            ("vision.width", vision.width), ("vision.layers", vision.layers), ("vision.heads", vision.heads),
            ("vision.mlpWidth", vision.mlpWidth), ("language.hiddenSize", language.hiddenSize),
            ("language.mlpWidth", language.mlpWidth), ("language.layers", language.layers),
            ("language.heads", language.heads), ("language.keyValueHeads", language.keyValueHeads),
            ("language.headSize", language.headSize), ("language.vocabularySize", language.vocabularySize),
            ("language.positionsMax", language.positionsMax), ("tokenizer.codebookSize", tokenizer.codebookSize),
            ("tokenizer.codeWidth", tokenizer.codeWidth), ("tokenizer.latentChannels", tokenizer.latentChannels),
            ("tokenizer.baseChannels", tokenizer.baseChannels), ("tokenizer.encoderBlocks", tokenizer.encoderBlocks),
            ("tokenizer.decoderBlocks", tokenizer.decoderBlocks), ("tokenizer.gridSide", tokenizer.gridSide),
        ]
        for (name, size) in sizes where !(1...Self.sizeMax).contains(size) {
            return "\(name) is \(size), outside 1…\(Self.sizeMax)"
        }
        guard language.heads % language.keyValueHeads == 0, language.headSize % 2 == 0 else {
            return "\(language.heads) heads of \(language.headSize) with \(language.keyValueHeads) of keys and values"
        }
        guard vision.width % vision.heads == 0, vision.imageSize % vision.patchSize == 0 else {
            return "an encoder of width \(vision.width) with \(vision.heads) heads, \(vision.imageSize) pixels in "
                + "patches of \(vision.patchSize)"
        }
        let channels = tokenizer.levelChannels
        guard (1...Self.levelsMax).contains(channels.count),
            (channels + [tokenizer.baseChannels]).allSatisfy({
                (1...Self.sizeMax).contains($0) && $0 % Self.normGroups == 0
            })
        else { return "an image tokenizer with levels of \(channels) channels" }
        guard tokenizer.gridSide << (channels.count - 1) == vision.imageSize else {
            return "an image tokenizer of \(tokenizer.gridSide) tokens a side for \(vision.imageSize) pixels"
        }
        let headSizes = [language.headSize, vision.width / vision.heads, channels.last ?? 0]
        guard headSizes.allSatisfy({ $0 <= KeyValuePagePool.headSizeMax }) else {
            return "attention heads of \(headSizes), at most \(KeyValuePagePool.headSizeMax) each"
        }
        guard language.normEpsilon.isFinite, language.ropeTheta.isFinite, language.ropeTheta >= 1 else {
            return "ropeTheta is \(language.ropeTheta), normEpsilon \(language.normEpsilon)"
        }
        return nil
    }
}
