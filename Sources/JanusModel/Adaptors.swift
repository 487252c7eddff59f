import JanusTensor

/// A two-layer MLP with exact GELU between: from the vision tower's width, or a code's, to the language model's.
/// Source: the official `MlpProjector`, "mlp_gelu" of depth 2.
struct Adaptor {
    private let first: Linear
    private let second: Linear

    init(_ prefix: String, inputs: Int, hidden: Int, _ reader: any ModelWeights) throws(ModelError) {
        first = try reader.linear(
            LinearLayer(prefix + ".fc1", outputs: hidden, inputs: inputs, role: .picture, scaling: .fixed))
        second = try reader.linear(
            LinearLayer(
                prefix + ".hidden_layers.0", outputs: hidden, inputs: hidden, role: .picture, scaling: .fixed))
    }

    /// [n, inputs] → [n, hidden]
    func callAsFunction(_ x: Matrix) -> Matrix {
        let inner = first(x)
        inner.gelu()
        return second(inner)
    }
}

/// What draws image tokens: hidden → hidden, exact GELU, → codebook. Source: the official `vision_head`.
struct GenerationHead {
    private let projection: Linear
    private let logits: Linear
    /// Of what lies between the two.
    private var scratch = GrowingMatrix()

    /// - Parameter states: the language model's last states.
    init(
        hidden: Int, codebook: Int, reads states: ChannelGroup, _ reader: any ModelWeights
    ) throws(ModelError) {
        let prefix = TensorNames.generationHead
        projection = try reader.linear(
            LinearLayer(
                prefix + ".proj_out", outputs: hidden, inputs: hidden, role: .head,
                scaling: ChannelScaling(reads: states)))
        logits = try reader.linear(
            LinearLayer(prefix + ".vision_head", outputs: codebook, inputs: hidden, role: .head, scaling: .fixed))
    }

    /// Takes the memory for up to so many rows.
    mutating func reserve(rows: Int) {
        _ = scratch.matrix(rows: rows, columns: projection.outputs)
        projection.reserve(rows: rows)
        logits.reserve(rows: rows)
    }

    /// [n, hidden] → [n, codebook]
    mutating func callAsFunction(_ x: Matrix) -> Matrix {
        let out = Matrix(rows: x.rows, columns: logits.outputs)
        apply(x, into: out)
        return out
    }

    /// The same, into a matrix of those sides.
    mutating func apply(_ x: Matrix, into out: Matrix) {
        let inner = scratch.matrix(rows: x.rows, columns: projection.outputs)
        projection.apply(x, into: inner)
        inner.gelu()
        logits.apply(inner, into: out)
    }
}
