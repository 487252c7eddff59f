/// How many threads the kernels and OpenBLAS use. Set once at start, before a model is loaded.
package enum Threads {
    /// - Parameter count: at least 1.
    package static func configure(_ count: Int) {}
}
