package import JanusTensor

/// Spreads the sizes of channels evenly between activations and the weights that read them, before both are rounded in
/// groups: one large channel of either would take the precision of its whole group.
///
/// Wherever a channel's factor can be moved from what makes it to what reads it without changing the function (the layers'
/// `ChannelScaling` says where: a norm to the columns behind it, rows of v to columns of o, rows of up to columns of down),
/// it is moved so that an activation's expected size and its weights' size become equal, up to one constant. The expected
/// size comes from the weights alone, as if what a norm puts out were of one size before its weight. After Nagel et al., "Data-Free Quantization
/// Through Weight Equalization and Bias Correction", ICCV 2019. A checkpoint whose channels were scaled up and their
/// readers down packs to the same numbers as before.
package final class Equalizer {
    private let groups: ChannelGroups
    private let reader: WeightReader
    /// What each channel's maker is divided and its reader multiplied by.
    private var known: [ChannelGroup: [Float]] = [:]
    /// The layer that was read last: what makes one group often reads another.
    private var last: (name: String, weights: Matrix)?

    /// - Parameter reader: of the same checkpoint as the weights that are scaled.
    package init(_ groups: ChannelGroups, _ reader: WeightReader) {
        precondition(groups.fault == nil, groups.fault ?? "")
        self.groups = groups
        self.reader = reader
    }

    /// Divides a vector [1, channels] of the norm that makes the group.
    package func apply(to vector: Matrix, of group: ChannelGroup) throws(ModelError) {
        vector.multiplyColumns(by: try factors(of: group).map { 1 / $0 })
    }

    /// Scales a layer's columns by what it reads and the rows of its last part by what it makes.
    package func apply(to layer: LinearLayer, _ weights: Matrix) throws(ModelError) {
        if let group = layer.scaling.reads { weights.multiplyColumns(by: try factors(of: group)) }
        if let group = layer.scaling.makes {
            let factors = try factors(of: group)
            weights[weights.rows - factors.count..<weights.rows].divideRows(by: factors)
        }
    }

    /// Scales a layer's bias [1, outputs] as its rows are scaled.
    package func apply(toBiasOf layer: LinearLayer, _ bias: Matrix) throws(ModelError) {
        guard let group = layer.scaling.makes else { return }
        let factors = try factors(of: group)
        bias.columns(bias.columns - factors.count..<bias.columns).multiplyColumns(by: factors.map { 1 / $0 })
    }

    // MARK: factors

    private func factors(of group: ChannelGroup) throws(ModelError) -> [Float] {
        if let factors = known[group] { return factors }
        let made = try sizes(of: group)
        var read: [[Double]] = []
        for layer in groups.members[group]?.readers ?? [] {
            read += try parts(of: layer).map { $0.columnSizes() }
        }
        let found = Self.balance(made, read.count == 1 ? read[0] : Self.together(read))
        known[group] = found
        return found
    }

    /// What the group's channels are expected to be as they are made.
    private func sizes(of group: ChannelGroup) throws(ModelError) -> [Double] {
        switch groups.members[group]?.maker {
        case .norm(let vectors, let channels):
            var squares = [Double](repeating: 0, count: channels)
            for name in vectors {
                for (channel, value) in try reader.vector(name, channels).row(0).enumerated() {
                    squares[channel] += Double(value) * Double(value)
                }
            }
            return squares.map { $0.squareRoot() }
        case .layer(let layer):
            guard let input = layer.scaling.reads else { preconditionFailure("channels of unknown size") }
            let inputs = try sizes(of: input)
            let parts = try parts(of: layer)
            let making = layer.scaling.isGated ? parts[...] : parts.suffix(1)
            let made = making.map { $0.rowSizes(weights: inputs) }
            return made.dropFirst().reduce(made[0]) { zip($0, $1).map { $0 * $1 } }
        case nil: preconditionFailure("nothing makes the channels of \(group.name)")
        }
    }

    /// The weights of a layer's parts, each [outputs, inputs].
    private func parts(of layer: LinearLayer) throws(ModelError) -> [Matrix] {
        let weights: Matrix
        if let last, last.name == layer.name {
            weights = last.weights
        } else {
            last = nil
            weights = try reader.weights(of: layer)
            last = (layer.name, weights)
        }
        var row = 0
        return layer.parts.map { part in
            defer { row += part.outputs }
            return weights[row..<row + part.outputs]
        }
    }

    /// Of several readers the root mean square of sizes, each relative to its own typical one: none outvotes another.
    private static func together(_ readers: [[Double]]) -> [Double] {
        let relative = readers.map { sizes in
            let typical = median(sizes)
            return sizes.map { typical > 0 ? $0 / typical : 0 }
        }
        return (relative.first ?? []).indices.map { index in
            (relative.reduce(0) { $0 + $1[index] * $1[index] } / Double(max(relative.count, 1))).squareRoot()
        }
    }

    /// √(activation / weights), 1 for the typical channel; channels that are 0 on either side keep their size.
    private static func balance(_ activations: [Double], _ weights: [Double]) -> [Float] {
        let raw = zip(activations, weights).map { activation, weight in
            activation > 0 && weight > 0 ? (activation / weight).squareRoot() : 0
        }
        let typical = median(raw.filter { $0 > 0 })
        return raw.map { factor in
            guard factor > 0, typical > 0 else { return 1 }
            let relative = Float(factor / typical)
            return relative.isNormal ? relative : 1
        }
    }

    private static func median(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.sorted()[values.count / 2]
    }
}
