import CJanusKernels

/// Multiplications with an addition in products, attention and convolutions. Counted where they are asked for, whichever
/// threads then make them: the work between two signs of life of a computing thread is bounded in them.
package enum MultiplyAdds {
    /// That the calling thread has asked for since it began.
    package static var ofThisThread: Int { Int(janus_multiply_adds()) }

    static func count(_ more: Int) { janus_count_multiply_adds(UInt64(more)) }
}
