import Foundation
import JanusJob
import JanusTensor

/// How far one precision strays from f32. Divergences are Kullback-Leibler, in nats, of its distribution from f32's.
struct QualityRow: Codable {
    var precision: String
    /// How keys and values are kept.
    var keyValueFormat: String
    /// Mean and greatest over the tokens of answers.
    var text: Double
    var textMax: Double
    /// Of the answers' tokens, those that it would have chosen as well.
    var agreement: Double
    /// Mean over the tokens of pictures: of the conditional row, and after guidance, which amplifies differences.
    var image: Double
    var guided: Double
    /// Mean difference of the same tokens' pictures, of 255.
    var pixels: Double
    /// What `text` may be.
    var gate: Double
    /// The figures are finite by their making: `QualityError` says what is not. NaN would pass no gate.
    var passes: Bool { text <= gate }

    enum CodingKeys: String, CodingKey {
        case precision, text, agreement, image, guided, pixels, gate
        case keyValueFormat = "kv"
        case textMax = "text_max"
    }
}

struct QualityReport: Codable {
    var model: String
    /// What outliers were multiplied by; 1 is the checkpoint as it is.
    var outliers: Double
    var answerTokens: Int
    var pictureTokens: Int
    var rows: [QualityRow]

    enum CodingKeys: String, CodingKey {
        case model, outliers, rows
        case answerTokens = "answer_tokens"
        case pictureTokens = "picture_tokens"
    }

    var passes: Bool { !rows.isEmpty && rows.allSatisfy(\.passes) }

    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    var table: String {
        let head = ["", "kv", "text KL", "greatest", "gate", "same token", "image KL", "guided KL", "pixels"]
        let lines = rows.map { row in
            [row.precision, row.keyValueFormat] + [row.text, row.textMax].map(Self.nats) + [Self.nats(row.gate)]
                + [String(format: "%.1f %%", row.agreement * 100)] + [row.image, row.guided].map(Self.nats)
                + [String(format: "%.2f", row.pixels), row.passes ? "passes" : "MISSES its gate"]
        }
        let title =
            "\(model)" + (outliers == 1 ? "" : String(format: ", outliers × %g", outliers))
            + ": against f32, mean over \(answerTokens) tokens of answers and \(pictureTokens) of pictures"
        return ([title] + ([head] + lines).map(Self.line)).joined(separator: "\n")
    }

    private static func nats(_ value: Double) -> String { String(format: "%.5f", value) }

    private static func line(_ cells: [String]) -> String {
        cells.enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, (index < 2 ? 5 : 10) - cell.count))
            return index < 2 ? cell + space : space + cell
        }.joined(separator: " ")
    }
}

/// Kullback-Leibler divergence of softmax(found) from softmax(expected), row after row. Both are finite.
func divergences(_ found: Matrix, _ expected: Matrix, stage: String) throws(QualityError) -> [Double] {
    guard found.rows == expected.rows, found.columns == expected.columns else {
        throw .otherShape(
            stage: stage, found: [found.rows, found.columns], expected: [expected.rows, expected.columns])
    }
    return (0..<expected.rows).map { row in
        let logP = logSoftmax(expected.row(row))
        let logQ = logSoftmax(found.row(row))
        let sum = zip(logP, logQ).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        // rounding may leave a little less than nothing; NaN stays
        return sum < 0 ? 0 : sum
    }
}

private func logSoftmax(_ logits: [Float]) -> [Double] {
    let greatest = Double(logits.reduce(-.infinity, max))
    let total = logits.reduce(0) { $0 + exp(Double($1) - greatest) }
    return logits.map { Double($0) - greatest - log(total) }
}
