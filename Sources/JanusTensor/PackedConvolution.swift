import CJanusKernels

/// GroupNorm of a picture, weight and bias [1, channels], then swish where asked.
package struct PictureNorm {
    let weight: Matrix
    let bias: Matrix
    let groups: Int
    let epsilon: Float
    let swish: Bool

    package init(weight: Matrix, bias: Matrix, groups: Int, epsilon: Float, swish: Bool) {
        self.weight = weight
        self.bias = bias
        self.groups = groups
        self.epsilon = epsilon
        self.swish = swish
    }

    package func callAsFunction(_ x: Picture) -> Picture {
        Picture(
            height: x.height, width: x.width,
            pixels: x.pixels.groupNorm(groups: groups, weight: weight, bias: bias, epsilon: epsilon, swish: swish))
    }
}

/// A picture on its way into a convolution in bf16: normalised, doubled and rounded at once, with a border of zeros. It
/// lies in the thread's scratch memory and lasts until the next one.
@safe struct HalfPicture {
    private let base: UnsafeMutablePointer<UInt16>
    let height: Int
    let width: Int
    private let channels: Int

    init(_ x: Picture, norm: PictureNorm?, doubled: Bool) {
        precondition(x.pixels.isDense && x.channels % Int(janus_inputs_multiple) == 0, "\(x.channels) channels")
        let (height, width, channels) = (doubled ? 2 * x.height : x.height, doubled ? 2 * x.width : x.width, x.channels)
        let bytes = (height + 2) * (width + 2) * channels * MemoryLayout<UInt16>.stride
        let base = unsafe Scratch.picture.memory(bytes: bytes).assumingMemoryBound(to: UInt16.self)
        let affine = norm.map {
            x.pixels.affine(groups: $0.groups, weight: $0.weight, bias: $0.bias, epsilon: $0.epsilon)
        }
        let swish: Int32 = norm?.swish == true ? 1 : 0
        Threads.split(height + 2, grain: max(1, Self.grainValues / (width * channels))) { range in
            unsafe janus_picture_fill(
                x.pixels.base, affine?.centre.base, affine?.scale.base, affine?.shift.base, swish, doubled ? 1 : 0,
                height, width, channels, range.lowerBound, range.count, base)
        }
        unsafe self.base = base
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// out [height / step · width / step, outputs] = bias + 3×3 kernels · picture, or that is added to it. Each output
    /// pixel's result is what its patch gets as a row of a packed product.
    func convolve(
        with weights: PackedMatrix, bias: Matrix?, walk: Convolution3x3.Walk, into out: Matrix, accumulate: Bool,
        isa: InstructionSet
    ) {
        let layout = weights.layout
        let step = walk == .same ? 1 : 2
        let (outHeight, outWidth) = (height / step, width / step)
        precondition(layout.precision == .bf16 && layout.inputs == 9 * channels, "kernels of other sides")
        precondition(out.rows == outHeight * outWidth && out.columns == layout.outputs, "a result of other sides")
        precondition(isa.isSupported, "no \(isa.name) on this processor")
        let chunks = min(outHeight, max(1, Self.partsMin / layout.panels))
        // Panels are outermost: a thread keeps one panel's weights in its cache.
        Threads.split(layout.panels * chunks, grain: 1) { range in
            var picture = janus_picture(
                width: self.width, channels: self.channels, out_width: outWidth, step: step,
                origin: walk == .same ? 0 : 1)
            unsafe withUnsafePointer(to: &picture) { picture in
                var packed = unsafe weights.c
                var activations = unsafe janus_activations(
                    values: self.base, scales: nil, starts: nil, rows: out.rows, inputs: layout.padded,
                    picture: picture)
                for item in range {
                    let (index, chunk) = item.quotientAndRemainder(dividingBy: chunks)
                    let first = outHeight * chunk / chunks * outWidth
                    let end = outHeight * (chunk + 1) / chunks * outWidth
                    unsafe janus_packed_product(
                        Int32(isa.rawValue), &packed, &activations, index, first, end - first, bias?.base, out.base,
                        out.stride, accumulate ? 1 : 0)
                }
            }
        }
    }

    /// Enough parts for every thread, where there are few panels.
    private static let partsMin = 64
    private static let grainValues = 1 << 15
}
