import JanusTensor

/// Something that an architecture cannot have.
struct ArchitectureFault {
    enum Part: String {
        case vision
        case language
        case tokenizer
    }

    let part: Part
    /// Begins with what is wrong.
    let reason: String
}

/// What a checkpoint's config.json or a pack's header says about sizes is believed only within bounds.
extension JanusConfiguration {
    /// No size of any Janus comes near; it keeps every product of sizes far from overflow.
    static let sizeMax = 1 << 20
    private static let positionsMax = 1 << 17
    private static let levelsMax = 8
    private static let normGroups = 32

    /// The first thing that cannot be; nil when there is none.
    var fault: ArchitectureFault? {
        if let reason = vision.fault { return ArchitectureFault(part: .vision, reason: reason) }
        if let reason = language.fault { return ArchitectureFault(part: .language, reason: reason) }
        return tokenizer.fault(imageSize: imageSize).map { ArchitectureFault(part: .tokenizer, reason: $0) }
    }

    fileprivate static func fault(of sizes: KeyValuePairs<String, Int>) -> String? {
        sizes.first { !(1...sizeMax).contains($0.value) }.map { "\($0.key) is \($0.value), outside 1…\(sizeMax)" }
    }

    fileprivate static func fault(ofEpsilon epsilon: Float) -> String? {
        epsilon >= 0 && epsilon < 1 ? nil : "the norms' epsilon is \(epsilon), outside 0..<1"
    }

    fileprivate static func fault(ofPositions positions: Int) -> String? {
        positions <= positionsMax ? nil : "positionsMax is \(positions), at most \(positionsMax)"
    }

    fileprivate static func fault(ofHead size: Int) -> String? {
        size <= KeyValuePagePool.headSizeMax
            ? nil : "an attention head has \(size) channels, at most \(KeyValuePagePool.headSizeMax)"
    }

    fileprivate static func fault(ofLevels channels: [Int]) -> String? {
        guard (1...levelsMax).contains(channels.count) else {
            return "it has \(channels.count) levels, outside 1…\(levelsMax)"
        }
        return channels.first { !(1...sizeMax).contains($0) || $0 % normGroups != 0 }.map {
            "a level has \($0) channels, no multiple of \(normGroups) in 1…\(sizeMax)"
        }
    }
}

extension VisionConfiguration {
    fileprivate var fault: String? {
        let sizes: KeyValuePairs = [
            "imageSize": imageSize, "patchSize": patchSize, "width": width, "layers": layers, "heads": heads,
            "mlpWidth": mlpWidth,
        ]
        if let fault = JanusConfiguration.fault(of: sizes) { return fault }
        guard width % heads == 0 else { return "\(heads) heads do not divide the width \(width)" }
        guard imageSize % patchSize == 0 else { return "patches of \(patchSize) do not divide \(imageSize) pixels" }
        return JanusConfiguration.fault(ofHead: width / heads) ?? JanusConfiguration.fault(ofEpsilon: layerNormEpsilon)
    }
}

extension LanguageConfiguration {
    fileprivate var fault: String? {
        let sizes: KeyValuePairs = [
            "hiddenSize": hiddenSize, "mlpWidth": mlpWidth, "layers": layers, "heads": heads,
            "keyValueHeads": keyValueHeads, "headSize": headSize, "vocabularySize": vocabularySize,
            "positionsMax": positionsMax,
        ]
        if let fault = JanusConfiguration.fault(of: sizes) { return fault }
        guard heads % keyValueHeads == 0 else {
            return "\(keyValueHeads) heads of keys and values do not divide \(heads) heads"
        }
        guard headSize % 2 == 0 else { return "a head has \(headSize) channels, which is odd" }
        guard ropeTheta.isFinite, ropeTheta >= 1 else { return "ropeTheta is \(ropeTheta), less than 1 or not finite" }
        return JanusConfiguration.fault(ofPositions: positionsMax) ?? JanusConfiguration.fault(ofHead: headSize)
            ?? JanusConfiguration.fault(ofEpsilon: normEpsilon)
    }
}

extension ImageTokenizerConfiguration {
    fileprivate func fault(imageSize: Int) -> String? {
        let sizes: KeyValuePairs = [
            "codebookSize": codebookSize, "codeWidth": codeWidth, "latentChannels": latentChannels,
            "encoderBlocks": encoderBlocks, "decoderBlocks": decoderBlocks, "gridSide": gridSide,
        ]
        if let fault = JanusConfiguration.fault(of: sizes) ?? JanusConfiguration.fault(ofLevels: levelChannels)
            ?? JanusConfiguration.fault(ofLevels: [baseChannels])
        {
            return fault
        }
        guard self.imageSize == imageSize else {
            return "\(gridSide) × \(gridSide) tokens decode to \(self.imageSize) pixels a side, not \(imageSize)"
        }
        // every pixel of the lowest level attends to every other, in one head
        return JanusConfiguration.fault(ofHead: levelChannels.last ?? 0)
    }
}
