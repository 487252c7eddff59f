package import JanusTensor

/// What a picture's network is made of, so that it can be left and taken up between any two parts.
enum PictureOperation {
    /// After the norm, where there is one.
    case convolve(Convolution3x3, norm: PictureNorm? = nil)
    /// A residual block begins: the picture, through the 1×1 convolution where channels change, is kept for its end.
    case branch(Linear?)
    /// A residual block ends: the result is added to what was kept.
    case convolveOntoBranch(Convolution3x3, norm: PictureNorm)
    case attend(PixelAttention)
}

/// A picture on its way through a network, in parts of at most some ten milliseconds at real sizes. Others may compute
/// between any two of them; the result does not depend on it.
package struct PictureRun {
    private var picture: Picture
    /// A residual block's input.
    private var branch: Picture?
    /// The one that the operation before `next` began.
    private var convolution: Convolution3x3.Run?
    private var next = 0
    private let operations: [PictureOperation]
    private let memory = PictureMemory()

    init(_ picture: Picture, _ operations: [PictureOperation]) {
        self.picture = picture
        self.operations = operations
    }

    package var isDone: Bool { next == operations.count && convolution == nil }
    /// [height · width, channels]; the result once `isDone`.
    package var pixels: Matrix { picture.pixels }

    /// Does the next part.
    package mutating func advance() {
        if convolution != nil {
            convolution?.advance()
            if let run = convolution, run.isDone {
                picture = run.result
                convolution = nil
            }
            return
        }
        guard next < operations.count else { return }
        switch operations[next] {
        case .convolve(let layer, let norm): convolution = layer.begin(picture, norm: norm, memory: memory)
        case .branch(nil): branch = picture
        case .branch(let shortcut?):
            let pixels = memory.matrix(rows: picture.pixels.rows, columns: shortcut.outputs)
            shortcut.apply(picture.pixels, into: pixels)
            branch = Picture(height: picture.height, width: picture.width, pixels: pixels)
        case .convolveOntoBranch(let layer, let norm):
            convolution = layer.begin(picture, norm: norm, addedTo: branch, memory: memory)
            branch = nil
        case .attend(let attention): picture = attention(picture)
        }
        next += 1
    }

    /// All that is left, in one go.
    consuming func finish(check: () throws(ModelError) -> Void) throws(ModelError) -> PictureRun {
        while !isDone {
            try check()
            advance()
        }
        return self
    }
}
