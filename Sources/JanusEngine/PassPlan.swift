/// Which positions of waiting prompts go into the next pass of the model: a decision without I/O.
package struct PassPlan: Equatable {
    package struct Piece: Equatable {
        /// Which of the fills.
        package var fill: Int
        package var positions: Int

        package init(fill: Int, positions: Int) {
            self.fill = fill
            self.positions = positions
        }
    }

    /// Positions beside running sequences: they lengthen everyone's step by about as much as a few rows more.
    package static let positionsBesideSteps = 32
    /// Positions when nobody is held up: bounds the model's scratch memory and the time between two signs of life.
    package static let positionsMax = 256

    /// Whether the running sequences take their step in it.
    package var steps: Bool
    package var pieces: [Piece]

    package var isEmpty: Bool { !steps && pieces.isEmpty }

    /// - Parameters:
    ///   - sequences: sequences whose step is due.
    ///   - fills: of each prompt, in order of arrival, the positions that could go in.
    ///   - isMixed: false gives each piece a pass of its own, before any step.
    package init(sequences: Int, fills: [Int], isMixed: Bool) {
        self.init()
        decide(sequences: sequences, fills: fills, isMixed: isMixed)
    }

    /// A plan of nothing.
    package init() {
        steps = false
        pieces = []
    }

    /// Makes this the plan that `init(sequences:fills:isMixed:)` gives, in its own memory.
    package mutating func decide(sequences: Int, fills: some Sequence<Int>, isMixed: Bool) {
        steps = sequences > 0
        pieces.removeAll(keepingCapacity: true)
        var left = steps && isMixed ? Self.positionsBesideSteps : Self.positionsMax
        for (fill, ready) in fills.enumerated() where ready > 0 && left > 0 {
            let positions = min(ready, left)
            pieces.append(Piece(fill: fill, positions: positions))
            left -= positions
            if !isMixed {
                steps = false
                return
            }
        }
    }
}
