import Foundation
import JanusJob
import JanusTensor

/// A copy of a checkpoint that computes the same function in f32, with outliers such as large models grow and small ones
/// don't: some channels of the activations are many times larger than the rest, and the weights that read them as much
/// smaller. What quantises activations or weights in groups has a harder time with it.
package enum OutlierCopy {
    /// `factor` multiplies what makes the channels of each `ChannelGroup` of the model, and divides what reads them.
    /// - Parameters:
    ///   - directory: the checkpoint; its language model must not tie lm_head to the embedding.
    ///   - output: a directory, made if it is missing; its model.safetensors is f32.
    ///   - every: one channel of so many is an outlier.
    package static func make(
        of directory: String, into output: String, factor: Float = 50, every: Int = 64
    ) throws(ModelError) {
        precondition(factor > 0 && every >= 1, "a factor of \(factor), one of \(every) channels")
        let source = try CheckpointDirectory(directory)
        let language = source.configuration.language
        let listing = PackPlan(source, .bf16)
        _ = try JanusModel(source.configuration, fingerprint: source.fingerprint, weights: listing, encodes: true)
        let plan = OutlierPlan(listing, source.configuration.layout, factor: factor, every: every)
        guard !language.tiesEmbeddings || listing.has(TensorNames.languageHead) else {
            throw .configuration(
                file: directory, key: "tie_word_embeddings", reason: "is true: the embedding cannot carry the inverse")
        }
        do {
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
            for name in PackFile.carriedFiles where FileManager.default.fileExists(atPath: directory + "/" + name) {
                try Data(contentsOf: URL(filePath: directory + "/" + name)).write(
                    to: URL(filePath: output + "/" + name))
            }
        } catch { throw .weights(.unwritable(file: output, reason: error.localizedDescription)) }
        try write(source, plan, to: output + "/" + SafetensorsCheckpoint.singleName)
    }

    private static func write(
        _ source: CheckpointDirectory, _ plan: OutlierPlan, to path: String
    ) throws(ModelError) {
        let names = source.checkpoint.names.filter { !source.configuration.layout.ignores($0) }
        do throws(TensorError) {
            let tensors = names.map { name in
                PlannedTensor(name: name, type: .f32, shape: source.checkpoint.entries[name]?.shape ?? [])
            }
            let file = try SafetensorsOutput(path: path, tensors: tensors, metadata: ["format": "pt"])
            for tensor in tensors {
                let rows = tensor.shape.count > 1 ? tensor.shape[0] : 1
                let values = Matrix(rows: rows, columns: tensor.shape.reduce(1, *) / max(rows, 1))
                try source.checkpoint.read(tensor.name, into: values)
                plan.apply(to: tensor.name, values)
                try unsafe values.withBytes { bytes throws(TensorError) in try unsafe file.write(tensor.name, bytes) }
            }
            try file.finish(metadata: [:])
        } catch { throw .weights(error) }
    }
}

/// Which rows and columns of which tensor are multiplied by what.
private struct OutlierPlan {
    private let every: Int
    private var rows: [String: Float] = [:]
    private var columns: [String: Float] = [:]

    init(_ listing: PackPlan, _ layout: CheckpointLayout, factor: Float, every: Int) {
        self.every = every
        for members in listing.groups.members.values {
            // the original stores q, k and v of the vision tower in one, whose rows are not all of v
            var layers = members.readers
            if case .layer(let layer) = members.maker { layers.append(layer) }
            guard !layers.contains(where: { $0.parts.count > 1 && listing.has($0.name) }) else { continue }
            switch members.maker {
            case .norm(let vectors, _): for name in vectors { rows[layout.name(name)] = factor }
            case .layer(let layer):
                guard let part = layer.parts.last else { continue }
                rows[layout.name(part.name + ".weight")] = factor
                if layer.hasBias { rows[layout.name(part.name + ".bias")] = factor }
            case nil: preconditionFailure("channels that nothing makes")
            }
            for part in members.readers.flatMap(\.parts) { columns[layout.name(part.name + ".weight")] = 1 / factor }
        }
    }

    /// A vector [1, n] has its channels in columns, a matrix [outputs, inputs] those that it makes in rows.
    func apply(to name: String, _ values: Matrix) {
        if let factor = rows[name] {
            if values.rows == 1 {
                multiply(values, factor, columnsFrom: every / 2)
            } else {
                for row in stride(from: every / 2, to: values.rows, by: every) {
                    multiply(values[row..<row + 1], factor, columnsFrom: 0, by: 1)
                }
            }
        }
        if let factor = columns[name] { multiply(values, factor, columnsFrom: every / 2) }
    }

    private func multiply(_ values: Matrix, _ factor: Float, columnsFrom first: Int, by step: Int? = nil) {
        for row in 0..<values.rows {
            let changed = values.row(row).enumerated().map { index, value in
                index >= first && (index - first) % (step ?? every) == 0 ? value * factor : value
            }
            values[row..<row + 1].copy(from: Matrix(changed, rows: 1, columns: changed.count))
        }
    }
}
