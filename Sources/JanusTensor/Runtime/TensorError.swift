/// What can be wrong with a file of tensors.
package enum TensorError: Error, Equatable, CustomStringConvertible {
    /// The operating system's word on a file that cannot be opened or mapped.
    case unreadable(file: String, reason: String)
    /// The file is no safetensors file, or its header contradicts itself or the file's size.
    case malformed(file: String, reason: String)
    /// The tensor is there but not as numbers that can be weights.
    case elementType(file: String, tensor: String, found: String, expected: String)
    case noSuchTensor(file: String, tensor: String)
    /// The tensor has other sides or another place than whoever reads it needs.
    case misshapen(file: String, tensor: String, expected: String, found: String)
    /// The operating system's word on a file that cannot be written.
    case unwritable(file: String, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "cannot read \(file): \(reason)"
        case .malformed(let file, let reason):
            "\(file) is not a sound safetensors file: \(reason); download or convert it again"
        case .elementType(let file, let tensor, let found, let expected):
            "\(file): tensor \(tensor) is \(found), expected \(expected)"
        case .noSuchTensor(let file, let tensor):
            "\(file) has no tensor \(tensor)"
        case .misshapen(let file, let tensor, let expected, let found):
            "\(file): tensor \(tensor) is \(found), expected \(expected)"
        case .unwritable(let file, let reason):
            "cannot write \(file): \(reason); nothing was left of it"
        }
    }
}
