import Foundation
import JanusTensor

/// A copy of a checkpoint that computes the same function in f32, with outliers such as large models grow and small ones
/// don't: some channels of the activations are many times larger than the rest, and the weights that read them as much
/// smaller. What quantises activations or weights in groups has a harder time with it.
package enum OutlierCopy {
    /// What `factor` multiplies, and what the same channels' readers are divided by:
    ///
    ///     a block's input norm       →  columns of q, k and v
    ///     a block's second norm      →  columns of gate and up
    ///     rows of v                  →  columns of o          (attention is linear in v)
    ///     rows of up                 →  columns of down       (silu(gate) · up is linear in up)
    ///     the last norm              →  columns of lm_head and of the image head's first layer
    ///     vision: a block's norms    →  columns of q, k and v, and of the first layer of its MLP
    ///     vision: rows of v          →  columns of the projection
    ///
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
        let plan = OutlierPlan(source.configuration, factor: factor, every: every)
        guard !language.tiesEmbeddings || source.checkpoint.entry(plan.name("lm_head.weight")) != nil else {
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
        let names = source.checkpoint.names.sorted().filter { !source.configuration.layout.ignores($0) }
        do throws(TensorError) {
            let tensors = names.map { name in
                PlannedTensor(name: name, type: .f32, shape: source.checkpoint.entry(name)?.shape ?? [])
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
    private let layout: CheckpointLayout
    private let every: Int
    private var rows: [String: Float] = [:]
    private var columns: [String: Float] = [:]

    init(_ configuration: JanusConfiguration, factor: Float, every: Int) {
        layout = configuration.layout
        let language = configuration.language
        self.every = every
        func scale(_ names: [String], readers: [String]) {
            for name in names { rows[layout.name(name)] = factor }
            for name in readers { columns[layout.name(name)] = 1 / factor }
        }
        for layer in 0..<language.layers {
            let block = "model.language_model.layers.\(layer)"
            let projections = ["q", "k", "v"].map { "\(block).self_attn.\($0)_proj.weight" }
            scale(["\(block).input_layernorm.weight"], readers: projections)
            scale(
                ["\(block).post_attention_layernorm.weight"],
                readers: ["gate", "up"].map { "\(block).mlp.\($0)_proj.weight" })
            // several query heads share one of values: the channels of o are others there
            if language.heads == language.keyValueHeads {
                scale(["\(block).self_attn.v_proj.weight"], readers: ["\(block).self_attn.o_proj.weight"])
            }
            scale(["\(block).mlp.up_proj.weight"], readers: ["\(block).mlp.down_proj.weight"])
        }
        scale(
            ["model.language_model.norm.weight"],
            readers: ["lm_head.weight", "model.generation_head.proj_out.weight"])
        // the original stores q, k and v in one, whose rows are not all of v
        guard layout == .huggingFace else { return }
        for layer in 0..<configuration.vision.layers {
            let block = "model.vision_model.encoder.layers.\(layer)"
            func norm(_ name: String) -> [String] { ["\(block).\(name).weight", "\(block).\(name).bias"] }
            scale(norm("layer_norm1"), readers: ["q", "k", "v"].map { "\(block).self_attn.\($0)_proj.weight" })
            scale(norm("layer_norm2"), readers: ["\(block).mlp.fc1.weight"])
            scale(
                ["\(block).self_attn.v_proj.weight", "\(block).self_attn.v_proj.bias"],
                readers: ["\(block).self_attn.projection_layer.weight"])
        }
    }

    func name(_ ours: String) -> String { layout.name(ours) }

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
