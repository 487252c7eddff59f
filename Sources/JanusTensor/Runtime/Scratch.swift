import CJanusKernels

/// Memory of the calling thread that kernels use again and again; each slot holds one thing at a time.
enum Scratch: Int32 {
    case values = 0
    case scales = 1
    case starts = 2
    case featureMap = 3

    /// At least that many bytes, with whatever was in them. Traps when there is no memory, as every allocation does.
    @unsafe func memory(bytes: Int) -> UnsafeMutableRawPointer {
        guard let address = unsafe janus_scratch(rawValue, bytes) else {
            preconditionFailure("out of memory: \(bytes) bytes of scratch")
        }
        return unsafe address
    }
}
