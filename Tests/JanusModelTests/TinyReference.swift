import Foundation
import JanusModel
import JanusTensor
import Testing

/// The random checkpoint `tiny` and what the official implementation computes from it.
struct TinyReference {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Reference/tiny").path
    static let model = directory + "/hf"

    let expected: SafetensorsFile
    let model: JanusModel

    init() throws {
        expected = try SafetensorsFile(path: Self.directory + "/expected.safetensors")
        model = try JanusModel.load(directory: Self.model, encodes: true)
    }

    func floats(_ name: String) throws -> [Float] { try expected.floats(name) }
    func ids(_ name: String) throws -> [Int32] { try expected.integers(name) }

    /// A number of the file's metadata, which are JSON values.
    func number(_ name: String) throws -> Double { try #require(Double(expected.metadata[name] ?? "")) }
    func token(_ name: String) throws -> Int32 { Int32(try number(name)) }

    /// Picture k after resizing, normalised to −1…1.
    func pixels(_ index: Int) throws -> [Float] {
        try expected.bytes("image\(index).resized").map { (Float($0) / 255 - 0.5) / 0.5 }
    }

    /// One of several equal parts of a stored tensor.
    func part(_ name: String, _ index: Int, of count: Int) throws -> [Float] {
        let all = try floats(name)
        let size = all.count / count
        return Array(all[index * size..<(index + 1) * size])
    }
}

/// The largest difference, as a part of the largest expected value.
func relativeError(_ found: [Float], _ expected: [Float]) -> Double {
    guard found.count == expected.count else { return .infinity }
    let largest = expected.reduce(0) { max($0, abs(Double($1))) }
    var worst = 0.0
    for (a, b) in zip(found, expected) {
        let difference = abs(Double(a) - Double(b))
        guard difference.isFinite else { return .infinity }
        worst = max(worst, difference)
    }
    return worst / max(largest, .leastNormalMagnitude)
}

func argMax(_ values: some Collection<Float>) -> Int32 {
    var best: Float = -.infinity
    var index = 0
    for (position, value) in values.enumerated() where value > best {
        best = value
        index = position
    }
    return Int32(index)
}

/// What "the same" means for an f32 stage.
let tolerance = 1e-4
