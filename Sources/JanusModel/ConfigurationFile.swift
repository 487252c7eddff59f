import Foundation

/// config.json of either layout, as far as it says anything that we use. Everything in it may be absent.
struct ConfigurationFile: Decodable {
    var modelType: String?
    var tieWordEmbeddings: Bool?
    var language: Language?
    var vision: Vision?
    var tokenizer: Tokenizer?

    struct Language: Decodable {
        var hiddenSize: Int?
        var intermediateSize: Int?
        var numHiddenLayers: Int?
        var numAttentionHeads: Int?
        var numKeyValueHeads: Int?
        var headDim: Int?
        var vocabSize: Int?
        var maxPositionEmbeddings: Int?
        var rmsNormEps: Double?
        var ropeTheta: Double?
        var ropeParameters: Rope?
        var ropeScaling: Rope?
        var hiddenAct: String?
        var tieWordEmbeddings: Bool?
    }

    /// `rope_parameters` (transformers 5) or `rope_scaling` (before).
    struct Rope: Decodable {
        var ropeTheta: Double?
        var ropeType: String?
        var type: String?
    }

    struct Vision: Decodable {
        var imageSize: Int?
        var numAttentionHeads: Int?
        var layerNormEps: Double?
        var hiddenAct: String?
        var useQkNorm: Bool?
        /// The original layout's.
        var params: Parameters?

        struct Parameters: Decodable {
            var imageSize: Int?
            var selectLayer: Int?
            var selectFeature: String?
            var pixelMean: [Double]?
            var pixelStd: [Double]?
        }
    }

    struct Tokenizer: Decodable {
        var baseChannels: Int?
        var channelMultiplier: [Int]?
        var numPatches: Int?
        var doubleLatent: Bool?
    }

    enum CodingKeys: String, CodingKey {
        case modelType, tieWordEmbeddings
        case textConfig, languageConfig
        case visionConfig, vqConfig
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        modelType = try container.decodeIfPresent(String.self, forKey: .modelType)
        tieWordEmbeddings = try container.decodeIfPresent(Bool.self, forKey: .tieWordEmbeddings)
        language =
            try container.decodeIfPresent(Language.self, forKey: .textConfig)
            ?? container.decodeIfPresent(Language.self, forKey: .languageConfig)
        vision = try container.decodeIfPresent(Vision.self, forKey: .visionConfig)
        tokenizer = try container.decodeIfPresent(Tokenizer.self, forKey: .vqConfig)
    }

    static let name = "config.json"
    private static let bytesMax = 1 << 20

    static func read(directory: String) throws(ModelError) -> (file: ConfigurationFile, bytes: Data) {
        let path = directory + "/" + name
        guard FileManager.default.fileExists(atPath: path) else {
            throw .notAModel(directory: directory, reason: "it has no config.json")
        }
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw .configuration(file: path, key: "the file", reason: "cannot be read (\(error))")
        }
        guard bytes.count <= bytesMax else {
            throw .configuration(file: path, key: "the file", reason: "has \(bytes.count) bytes (at most \(bytesMax))")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return (try decoder.decode(ConfigurationFile.self, from: bytes), bytes)
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
            let key = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw .configuration(
                file: path, key: key.isEmpty ? "the file" : key,
                reason: "is of the wrong type: \(context.debugDescription)"
            )
        } catch {
            throw .configuration(file: path, key: "the file", reason: "is not valid JSON (\(error))")
        }
    }
}
