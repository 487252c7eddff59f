package import JanusTensor

/// What a convolutional network is made of, so that it can be left and taken up between any two parts.
enum FeatureMapOperation {
    /// After the norm, where there is one.
    case convolve(Convolution3x3, norm: FeatureMapNorm? = nil)
    /// A residual block begins: the feature map, through the 1×1 convolution where channels change, is kept for its end.
    case branch(Linear?)
    /// A residual block ends: the result is added to what was kept.
    case convolveOntoBranch(Convolution3x3, norm: FeatureMapNorm)
    case attend(PixelAttention)
}

/// A feature map on its way through a network, in parts of at most some ten milliseconds at real sizes. Others may compute
/// between any two of them; the result does not depend on it.
package struct FeatureMapRun {
    private var featureMap: FeatureMap
    /// A residual block's input.
    private var branch: FeatureMap?
    /// The one that the operation before `next` began.
    private var convolution: Convolution3x3.Run?
    private var next = 0
    private let operations: [FeatureMapOperation]
    private let memory = FeatureMapMemory()

    init(_ featureMap: FeatureMap, _ operations: [FeatureMapOperation]) {
        self.featureMap = featureMap
        self.operations = operations
    }

    package var isDone: Bool { next == operations.count && convolution == nil }
    /// [height · width, channels]; the result once `isDone`.
    package var pixels: Matrix { featureMap.pixels }

    /// Does the next part.
    package mutating func advance() {
        if convolution != nil {
            convolution?.advance()
            if let run = convolution, run.isDone {
                featureMap = run.result
                convolution = nil
            }
            return
        }
        guard next < operations.count else { return }
        switch operations[next] {
        case .convolve(let layer, let norm): convolution = layer.begin(featureMap, norm: norm, memory: memory)
        case .branch(nil): branch = featureMap
        case .branch(let shortcut?):
            let pixels = memory.matrix(rows: featureMap.pixels.rows, columns: shortcut.outputs)
            shortcut.apply(featureMap.pixels, into: pixels)
            branch = FeatureMap(height: featureMap.height, width: featureMap.width, pixels: pixels)
        case .convolveOntoBranch(let layer, let norm):
            convolution = layer.begin(featureMap, norm: norm, addedTo: branch, memory: memory)
            branch = nil
        case .attend(let attention): featureMap = attention(featureMap)
        }
        next += 1
    }

    /// All that is left, in one go.
    consuming func finish(check: () throws(ModelError) -> Void) throws(ModelError) -> FeatureMapRun {
        while !isDone {
            try check()
            advance()
        }
        return self
    }
}
