import JanusTensor

/// Where a model's parts take their weights from, by our names: a checkpoint (f32), a pack (mapped), or nothing at all
/// where only the list of them matters. A model's initialisers are that list.
protocol ModelWeights: AnyObject {
    /// Whether there is such a layer or tensor, without ".weight".
    func has(_ name: String) -> Bool
    /// f32 [shape[0], the rest]: small tensors that are not multiplied by.
    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix
    /// f32 [1, count]
    func vector(_ name: String, _ count: Int) throws(ModelError) -> Matrix
    /// Position embeddings, which the original stores with a leading side of 1.
    func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix
    /// A table of rows to look up.
    func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows
    func linear(_ layer: LinearLayer) throws(ModelError) -> Linear
    /// The layer's weights as packs hold them; nil where they are f32, or only listed.
    func packed(_ layer: LinearLayer) throws(ModelError) -> PackedMatrix?
    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError) -> ImageTokenEmbeddings
}

/// A linear layer as a checkpoint stores it: one tensor, or several whose outputs lie one under the other.
struct LinearLayer {
    struct Part {
        var name: String
        var outputs: Int
    }

    /// How exactly it must be stored.
    enum Role {
        /// The language model's blocks: the precision that was asked for.
        case language
        /// What draws tokens: never less than eight bits.
        case head
        /// The vision tower's blocks: eight bits, or sixteen.
        case vision
        /// Whatever else sees or makes pictures: 16 bits.
        case picture
    }

    /// What it is called in packs.
    var name: String
    var parts: [Part]
    /// Of each output; the product of them are the inputs.
    var sides: [Int]
    var hasBias: Bool
    var role: Role
    /// Of a 3×3 kernel, whose weights are reordered; nil is a matrix.
    var resampling: Convolution3x3.Resampling?

    var outputs: Int { parts.reduce(0) { $0 + $1.outputs } }
    var inputs: Int { sides.reduce(1, *) }

    /// Whether packs hold the kernels of the four phases instead of the one.
    var isPhased: Bool {
        resampling == .upsampling && role == .picture && UpsamplingConvolution.suit(channels: sides[0])
    }
}

extension LinearLayer {
    init(_ name: String, outputs: Int, inputs: Int, hasBias: Bool = true, role: Role) {
        self.init(
            name: name, parts: [Part(name: name, outputs: outputs)], sides: [inputs], hasBias: hasBias, role: role)
    }

    /// q, k and v, or gate and up: what has the same input becomes one product.
    init(_ name: String, parts: [(String, Int)], inputs: Int, hasBias: Bool = false, role: Role) {
        self.init(
            name: name, parts: parts.map { Part(name: $0.0, outputs: $0.1) }, sides: [inputs], hasBias: hasBias,
            role: role)
    }
}

extension ModelWeights {
    /// A 1×1 convolution, which is a linear layer on each pixel: [outputs, inputs, 1, 1] and a bias.
    func pointwise(_ name: String, outputs: Int, inputs: Int) throws(ModelError) -> Linear {
        try linear(
            LinearLayer(
                name: name, parts: [.init(name: name, outputs: outputs)], sides: [inputs, 1, 1], hasBias: true,
                role: .picture))
    }

    /// [outputs, inputs, 3, 3] and a bias.
    func convolution(
        _ name: String, outputs: Int, inputs: Int, resampling: Convolution3x3.Resampling = .same
    ) throws(ModelError) -> Convolution3x3 {
        let layer = LinearLayer(
            name: name, parts: [.init(name: name, outputs: outputs)], sides: [inputs, 3, 3], hasBias: true,
            role: .picture, resampling: resampling)
        if layer.isPhased, let phases = try packed(layer) {
            return Convolution3x3(phases: phases, bias: try vector(name + ".bias", outputs))
        }
        return Convolution3x3(try linear(layer), resampling: resampling)
    }
}
