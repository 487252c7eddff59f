/// y = x · weightᵀ + bias, in f32 or packed.
package struct Linear {
    private enum Weights {
        /// [outputs, inputs]
        case dense(Matrix)
        case packed(PackedMatrix)
    }

    private let weights: Weights
    /// [1, outputs]
    package let bias: Matrix?

    package init(weight: Matrix, bias: Matrix? = nil) {
        precondition(bias.map { $0.rows == 1 && $0.columns == weight.rows } ?? true, "a bias of other width")
        weights = .dense(weight)
        self.bias = bias
    }

    package init(packed: PackedMatrix, bias: Matrix? = nil) {
        let outputs = packed.layout.outputs
        precondition(bias.map { $0.rows == 1 && $0.columns == outputs } ?? true, "a bias of other width")
        weights = .packed(packed)
        self.bias = bias
    }

    package var outputs: Int {
        switch weights {
        case .dense(let matrix): matrix.rows
        case .packed(let matrix): matrix.layout.outputs
        }
    }

    package var inputs: Int {
        switch weights {
        case .dense(let matrix): matrix.columns
        case .packed(let matrix): matrix.layout.inputs
        }
    }

    /// Whether a row's result is the same in every batch and with any number of threads.
    package var isInvariant: Bool {
        switch weights {
        case .dense: false
        case .packed: true
        }
    }

    /// Takes the calling thread's memory for products of up to so many rows.
    package func reserve(rows: Int) {
        if let packed { Activations.reserve(rows: rows, packed.layout) }
    }

    var packed: PackedMatrix? {
        switch weights {
        case .dense: nil
        case .packed(let matrix): matrix
        }
    }

    /// x [m, inputs] → [m, outputs]
    package func callAsFunction(_ x: Matrix) -> Matrix {
        let out = Matrix(rows: x.rows, columns: outputs)
        apply(x, into: out)
        return out
    }

    /// out = layer(x), or out += layer(x): the residual of a block.
    /// - Parameter prepare: what fills each row of x before it is read.
    package func apply(_ x: Matrix, into out: Matrix, accumulate: Bool = false, prepare: RowPreparation? = nil) {
        switch weights {
        case .dense(let matrix):
            if let prepare {
                Threads.split(x.rows, grain: 1) { range in for row in range { prepare.fill(row, of: x) } }
            }
            if let bias {
                if accumulate { out.addToEachRow(bias) } else { out.fillRows(with: bias) }
            }
            x.multiply(byTransposed: matrix, into: out, accumulate: accumulate || bias != nil)
        case .packed(let matrix):
            x.multiply(by: matrix, bias: bias, into: out, accumulate: accumulate, prepare: prepare)
        }
    }
}
