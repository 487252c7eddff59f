/// Channels of activations whose sizes may be moved from what makes them to what reads them, without changing the function.
/// Packing does so (`Equalizer`).
package struct ChannelGroup: Hashable, Sendable {
    /// For errors: whatever tells it from the model's other groups.
    package let name: String

    package init(_ name: String) { self.name = name }
}

/// A layer's part in channel groups. There is no default: every layer says which groups it makes and reads.
package struct ChannelScaling: Sendable {
    /// The channels that are its inputs; nil where their sizes cannot be moved.
    package var reads: ChannelGroup?
    /// The channels that its last part makes, one an output; nil where their sizes cannot be moved.
    package var makes: ChannelGroup?
    /// What is made is the product of all parts, the others behind an activation (gate and up).
    package var isGated: Bool

    package init(reads: ChannelGroup? = nil, makes: ChannelGroup? = nil, isGated: Bool = false) {
        self.reads = reads
        self.makes = makes
        self.isGated = isGated
    }

    /// Nothing of it can be moved.
    package static let fixed = ChannelScaling()
}

/// All channel groups of a model, as its layers and norms declare them.
package struct ChannelGroups {
    /// What makes a group's channels.
    package enum Maker {
        /// A norm's weight, and its bias where it has one: vectors of so many channels.
        case norm(vectors: [String], channels: Int)
        case layer(LinearLayer)
    }

    package struct Members {
        package fileprivate(set) var maker: Maker?
        /// In the order of the model.
        package fileprivate(set) var readers: [LinearLayer] = []
    }

    package private(set) var members: [ChannelGroup: Members] = [:]

    package init() {}

    /// A vector of a norm that makes the group.
    package mutating func declare(norm vector: String, channels: Int, makes group: ChannelGroup) {
        var vectors = [vector]
        if case .norm(let others, _) = members[group]?.maker { vectors = others + vectors }
        members[group, default: Members()].maker = .norm(vectors: vectors, channels: channels)
    }

    package mutating func declare(_ layer: LinearLayer) {
        if let group = layer.scaling.reads { members[group, default: Members()].readers.append(layer) }
        if let group = layer.scaling.makes { members[group, default: Members()].maker = .layer(layer) }
    }

    /// A group that has only one side: its channels would be scaled there and nowhere else. nil when there is none.
    package var fault: String? {
        for (group, members) in members.sorted(by: { $0.key.name < $1.key.name }) {
            guard let maker = members.maker else { return "nothing makes the channels of \(group.name)" }
            guard !members.readers.isEmpty else { return "nothing reads the channels of \(group.name)" }
            if case .layer(let layer) = maker, layer.scaling.reads == nil {
                return "\(layer.name) makes \(group.name) of channels whose size nobody knows"
            }
        }
        return nil
    }
}
