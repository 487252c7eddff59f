package import JanusTensor

/// Where a model's parts take their weights from, by our names: a checkpoint (f32), a pack (mapped), or nothing at all
/// where only the list of them matters. A model's initialisers are that list.
package protocol ModelWeights: AnyObject {
    /// Whether there is such a layer or tensor, without ".weight".
    func has(_ name: String) -> Bool
    /// f32 [shape[0], the rest]: small tensors that are not multiplied by.
    func matrix(_ name: String, _ shape: [Int]) throws(ModelError) -> Matrix
    /// f32 [1, count]
    /// - Parameter group: what it makes, where it is a norm's weight or bias; nil for other vectors.
    func vector(_ name: String, _ count: Int, makes group: ChannelGroup?) throws(ModelError) -> Matrix
    /// Position embeddings, which the original stores with a leading side of 1.
    func positions(_ name: String, _ tokens: Int, _ width: Int) throws(ModelError) -> Matrix
    /// A table of rows to look up.
    func embeddingRows(_ name: String, rows: Int, columns: Int) throws(ModelError) -> EmbeddingRows
    func linear(_ layer: LinearLayer) throws(ModelError) -> Linear
    /// The layer's weights as packs hold them; nil where they are f32, or only listed.
    func packed(_ layer: LinearLayer) throws(ModelError) -> PackedMatrix?
    func imageTokenEmbeddings(codebook: Int, codeWidth: Int, hidden: Int) throws(ModelError) -> ImageTokenEmbeddings
    /// The same tensors, checked for presence and shape, for layers that nobody will run: nothing is read or converted.
    var unread: any ModelWeights { get }
}

/// A linear layer as a checkpoint stores it: one tensor, or several whose outputs lie one under the other.
package struct LinearLayer {
    package struct Part {
        package var name: String
        package var outputs: Int

        package init(name: String, outputs: Int) {
            self.name = name
            self.outputs = outputs
        }
    }

    /// How exactly it must be stored.
    package enum Role {
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
    package var name: String
    package var parts: [Part]
    /// Of each output; the product of them are the inputs.
    package var sides: [Int]
    package var hasBias: Bool
    package var role: Role
    package var scaling: ChannelScaling
    /// Of a 3×3 kernel, whose weights are reordered; nil is a matrix.
    package var resampling: Convolution3x3.Resampling?

    package init(
        name: String, parts: [Part], sides: [Int], hasBias: Bool, role: Role, scaling: ChannelScaling,
        resampling: Convolution3x3.Resampling? = nil
    ) {
        self.name = name
        self.parts = parts
        self.sides = sides
        self.hasBias = hasBias
        self.role = role
        self.scaling = scaling
        self.resampling = resampling
    }

    var outputs: Int { parts.reduce(0) { $0 + $1.outputs } }
    var inputs: Int { sides.reduce(1, *) }

    /// Whether packs hold the kernels of the four phases instead of the one.
    var isPhased: Bool {
        resampling == .upsampling && role == .picture && UpsamplingConvolution.suit(channels: sides[0])
    }
}

extension LinearLayer {
    package init(
        _ name: String, outputs: Int, inputs: Int, hasBias: Bool = true, role: Role, scaling: ChannelScaling
    ) {
        self.init(
            name: name, parts: [Part(name: name, outputs: outputs)], sides: [inputs], hasBias: hasBias, role: role,
            scaling: scaling)
    }

    /// q, k and v, or gate and up: what has the same input becomes one product.
    package init(
        _ name: String, parts: [(String, Int)], inputs: Int, hasBias: Bool = false, role: Role, scaling: ChannelScaling
    ) {
        self.init(
            name: name, parts: parts.map { Part(name: $0.0, outputs: $0.1) }, sides: [inputs], hasBias: hasBias,
            role: role, scaling: scaling)
    }
}

extension ModelWeights {
    /// A 1×1 convolution, which is a linear layer on each pixel: [outputs, inputs, 1, 1] and a bias.
    func pointwise(_ name: String, outputs: Int, inputs: Int) throws(ModelError) -> Linear {
        try linear(
            LinearLayer(
                name: name, parts: [.init(name: name, outputs: outputs)], sides: [inputs, 1, 1], hasBias: true,
                role: .picture, scaling: .fixed))
    }

    /// [outputs, inputs, 3, 3] and a bias.
    func convolution(
        _ name: String, outputs: Int, inputs: Int, resampling: Convolution3x3.Resampling = .same
    ) throws(ModelError) -> Convolution3x3 {
        let layer = LinearLayer(
            name: name, parts: [.init(name: name, outputs: outputs)], sides: [inputs, 3, 3], hasBias: true,
            role: .picture, scaling: .fixed, resampling: resampling)
        if layer.isPhased, let phases = try packed(layer) {
            return Convolution3x3(phases: phases, bias: try vector(name + ".bias", outputs, makes: nil))
        }
        return Convolution3x3(try linear(layer), resampling: resampling)
    }
}
