package import JanusTensor

/// What can be wrong with a checkpoint, and what a caller may ask that a model cannot do.
package enum ModelError: Error, Equatable, CustomStringConvertible {
    /// The directory is not a Janus checkpoint at all.
    case notAModel(directory: String, reason: String)
    /// Only PyTorch pickles are there; they can run code and are not read.
    case pickleOnly(directory: String, file: String)
    /// A value of config.json that is missing, out of bounds or not supported.
    case configuration(file: String, key: String, reason: String)
    /// A weight file that cannot be read as safetensors.
    case weights(TensorError)
    case missingTensor(name: String)
    case extraTensors(names: [String])
    case misshapenTensor(name: String, expected: String, found: [Int])
    /// A token id that the model has no embedding for (a tokenizer of another model).
    case tokenOutOfRange(id: Int, count: Int, table: String)
    /// A pack that is of another format version or does not say what it is.
    case pack(file: String, reason: String)
    /// The directory that packs are kept in cannot be used.
    case packCache(directory: String, reason: String)
    /// A weight that is NaN, infinite or too large to be packed.
    case notFinite(name: String)
    /// The image encoder gave a value that is NaN or infinite.
    case encodingNotFinite
    /// The system does not reserve the memory that keys and values may take.
    case cacheMemory(bytes: Int)
    /// `JanusModel.interrupt` answered true.
    case interrupted

    package var description: String {
        switch self {
        case .notAModel(let directory, let reason):
            "\(directory) is not a Janus model: \(reason); "
                + "give the directory that holds config.json and model.safetensors"
        case .pickleOnly(let directory, let file):
            "\(directory) holds its weights as a pickle (\(file)), which janusd does not read; convert them once: "
                + "python3 -c \"import glob, torch, safetensors.torch as s; w = {}; "
                + "[w.update(torch.load(f, weights_only=True)) for f in sorted(glob.glob('pytorch_model*.bin'))]; "
                + "s.save_file({k: v.contiguous().clone() for k, v in w.items()}, 'model.safetensors')\""
        case .configuration(let file, let key, let reason):
            "\(file): \(key) \(reason)"
        case .weights(let error):
            error.description
        case .missingTensor(let name):
            "the checkpoint has no tensor \(name)"
        case .extraTensors(let names):
            "the checkpoint has \(names.count) tensor\(names.count == 1 ? "" : "s") that no part of the model uses: "
                + names.prefix(Self.namesShownMax).joined(separator: ", ")
                + (names.count > Self.namesShownMax ? ", …" : "")
        case .misshapenTensor(let name, let expected, let found):
            "tensor \(name) has shape \(found), expected \(expected)"
        case .tokenOutOfRange(let id, let count, let table):
            "token \(id) is outside the \(table) of \(count) entries: the tokenizer is of another model"
        case .pack(let file, let reason):
            "\(file) cannot be used as a pack: \(reason); make it again with janus-model pack"
        case .packCache(let directory, let reason):
            "cannot keep packs in \(directory): \(reason); "
                + "set cache.directory to a directory that can be written and has room, or pack with janus-model pack"
        case .encodingNotFinite: "the image encoder gave a value that is not finite; the checkpoint is damaged"
        case .notFinite(let name):
            "the weights of \(name) hold a value that is not finite or too large to be packed; the checkpoint is damaged"
        case .cacheMemory(let bytes):
            "the system does not reserve \(bytes >> 20) MiB for keys and values; "
                + "give them less (workers.cache_mib), or the process more address space"
        case .interrupted:
            "interrupted"
        }
    }

    private static let namesShownMax = 8
}
