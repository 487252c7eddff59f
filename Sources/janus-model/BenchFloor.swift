import JanusJob
import JanusModel
import JanusTensor

/// What a piece of work cannot be faster than: all its weights are read once and all its products are made, whichever takes
/// longer, and all its keys and values are read besides.
struct BenchWork {
    /// Of weights, with their scales.
    var weightBytes = 0
    /// Of keys and values.
    var cacheBytes = 0
    /// Multiplications of a weight with an activation; a language model's attention is not counted.
    var products = 0
    /// Whose rate the products have.
    var precision: PackedPrecision
    /// Multiplications besides that are made in bf16 at every precision.
    var halfProducts = 0

    func seconds(_ ceilings: MachineCeilings) -> Double {
        func seconds(_ products: Int, _ precision: PackedPrecision) -> Double {
            let rate =
                switch precision {
                case .bf16: ceilings.bf16GOPPerSecond
                case .int8, .int4: ceilings.int8GOPPerSecond
                }
            // a processor without such instructions has no known rate
            return rate > 0 ? 2 * Double(products) / (rate * 1e9) : 0
        }
        let perByte = 1 / (ceilings.readGBPerSecond * 1e9)
        let computing = seconds(products, precision) + seconds(halfProducts, .bf16)
        return max(Double(weightBytes) * perByte, computing) + Double(cacheBytes) * perByte
    }
}

/// The work of each part of a model in one precision.
struct BenchCosts {
    let configuration: JanusConfiguration
    let precision: PackedPrecision

    enum Head {
        case none
        case text
        case image
    }

    /// One pass of the language model.
    /// - Parameters:
    ///   - rows: of which a head computes `headRows`.
    ///   - positions: of keys and values that are read, over all sequences.
    func pass(rows: Int, headRows: Int, positions: Int, head: Head) -> BenchWork {
        let language = configuration.language
        var work = self.head(head, rows: headRows)
        work.weightBytes += language.stepBytes(precision)
        work.cacheBytes = positions * configuration.cacheBytesPerPosition
        work.products += rows * language.stepWeights
        return work
    }

    /// A head on its own: what a token is drawn from.
    func head(_ head: Head, rows: Int) -> BenchWork {
        let hidden = configuration.hiddenSize
        let outputs =
            switch head {
            case .none: 0
            case .text: configuration.language.vocabularySize
            // the second layer, and the first
            case .image: configuration.codebookSize + hidden
            }
        var work = BenchWork(products: rows * outputs * hidden, precision: precision)
        if outputs > 0 {
            let layout = PackedLayout(
                precision: precision == .int4 ? .int8 : precision, outputs: outputs, inputs: hidden)
            work.weightBytes = layout.valuesBytes + layout.scalesBytes
        }
        return work
    }

    /// A token fed to each of some rows, and the next one drawn of it.
    /// - Parameter contexts: of each row, before the token.
    func step(contexts: [Int], head: Head) -> BenchWork {
        let rows = contexts.count
        return pass(rows: rows, headRows: rows, positions: contexts.reduce(rows, +), head: head)
    }

    /// Prompts that go in, and `tokens` tokens drawn one after the other behind each: the first from the prompt, each
    /// further one from a step, so the last is never fed. The weights count once for all prompts, and once a step.
    func drawing(prompts: [Int], tokens: Int, head: Head) -> [BenchWork] {
        let positions = prompts.reduce(0, +)
        let steps = (0..<tokens - 1).map { drawn in step(contexts: prompts.map { $0 + drawn }, head: head) }
        return [
            pass(rows: positions, headRows: 0, positions: positions, head: .none), self.head(head, rows: prompts.count),
        ] + steps
    }

    /// The tower's blocks are int8 in packs of eight and of four bits; patches, attention and the aligner are bf16.
    var vision: BenchWork {
        let vision = configuration.vision
        let hidden = configuration.hiddenSize
        let aligner = vision.width * hidden + hidden * hidden
        let halves = vision.patchWeights + aligner
        return BenchWork(
            weightBytes: vision.blockWeights * (precision == .bf16 ? 2 : 1) + 2 * halves,
            products: vision.tokens * vision.blockWeights, precision: precision,
            halfProducts: vision.tokens * halves + vision.attentionProducts)
    }

    /// Of doubled convolutions, the products that are really made: those of their phases.
    var decodedPicture: BenchWork {
        BenchWork(products: configuration.tokenizer.decodeProducts, precision: .bf16)
    }
}
