import Foundation
import JanusEngine
import JanusJob
import JanusModel
import JanusTensor
import JanusWire
import TestSupport
import Testing

/// A worker shows that it lives whenever an observer of one of its jobs is called. What is computed between two of these
/// calls is bounded; the bounds are counted here.
@Suite("signs of life")
struct SignsOfLifeTests {
    /// Of the checkpoints that are served, with a batch as full as it can be.
    @Test(
        "no stretch between two signs computes more than the heartbeat is made of, at any size in any precision",
        arguments: [ModelShape.oneB, .sevenB], [PackedPrecision?.none, .bf16, .int8, .int4])
    func bounded(shape: ModelShape, precision: PackedPrecision?) {
        var options = Engine.Options()
        // f32 takes one job at a time
        if precision == nil { options.jobsMax = 1 }
        let configuration = shape.configuration
        let signs = SignsOfLife(
            configuration, isPacked: precision != nil, SignsOfLife.Bounds.full(configuration, options))
        print(
            "\(shape.rawValue) \(precision?.rawValue ?? "f32"), multiply-adds between two signs of life: layer "
                + "\(signs.layer / 1_000_000) million, drawing \(signs.drawing / 1_000_000), vision "
                + "\(signs.vision / 1_000_000), picture \(signs.picture / 1_000_000)")
        #expect(signs.multiplyAddsMax <= multiplyAddsBetweenSignsMax)
        // a bound far from what is true would bound nothing
        if shape == .sevenB { #expect(signs.multiplyAddsMax > multiplyAddsBetweenSignsMax * 9 / 10) }
    }

    /// What was computed in each stretch, by the phase in which it ended; and the prompt's tokens.
    private func count(_ engine: Engine, _ task: JobTask, pictures: [Int] = []) throws -> (
        stretches: [JobPhase: Set<Int>], promptTokens: Int
    ) {
        var stretches: [JobPhase: Set<Int>] = [:]
        var before = MultiplyAdds.ofThisThread
        var promptTokens: Int?
        engine.batcher.submit(
            task, pictures: try pictures.map(referencePicture),
            observer: { progress in
                let now = MultiplyAdds.ofThisThread
                stretches[progress.phase, default: []].insert(now - before)
                before = now
                return true
            },
            end: { end in
                switch end {
                case .success(.images(_, let usage)): promptTokens = usage.promptTokens
                case .success(.answer(let answer)): promptTokens = answer.usage.promptTokens
                case .failure(let error): #expect(Bool(false), "\(error)")
                }
            })
        while !engine.batcher.isIdle { engine.batcher.advance() }
        return (stretches, try #require(promptTokens))
    }

    private func engine(_ precision: String) throws -> Engine {
        precision == "f32" ? try tinyEngine() : try packedEngine(precision)
    }

    private func signs(
        _ engine: Engine, _ precision: String, positions: Int = 0, imageRows: Int = 0, context: Int = 0
    ) -> SignsOfLife {
        SignsOfLife(
            engine.configuration, isPacked: precision != "f32",
            .init(positions: positions, imageRows: imageRows, textRows: 1, context: context))
    }

    private static let precisions = ["f32", "bf16", "int8", "int4"]

    @Test("within a pass there is a sign at every layer", arguments: precisions)
    func layer(precision: String) throws {
        let engine = try engine(precision)
        // several passes as long as they may be
        let question = String(repeating: "many words ", count: 250)
        let (stretches, promptTokens) = try count(engine, MixedJobs.answer(question, maxTokens: 1))
        #expect(promptTokens > 3 * PassPlan.positionsMax)
        let formula = signs(engine, precision, positions: PassPlan.positionsMax, context: promptTokens).layer
        let counted = try #require(stretches[.prefill]?.max())
        print("\(precision), a layer: counted \(counted), formula \(formula)")
        #expect(counted <= formula)
        // the formula lets every position see the whole context
        #expect(Double(counted) > 0.6 * Double(formula))
    }

    @Test("there is a sign between drawing tokens and the first layer", arguments: precisions)
    func drawing(precision: String) throws {
        let engine = try engine(precision)
        let images = 8
        let (stretches, promptTokens) = try count(engine, MixedJobs.image("a red fox", images: images))
        let context = promptTokens + engine.configuration.generationTokens
        let formula = signs(engine, precision, positions: 2 * images, imageRows: 2 * images, context: context)
        // of text rows there are none
        let drawing = formula.drawing - engine.configuration.vocabularySize * engine.configuration.hiddenSize
        #expect(stretches[.drawing]?.contains(drawing) == true, "\(drawing) is not in \(stretches)")
        let counted = try #require(stretches[.drawing]?.max())
        #expect(counted <= max(formula.layer, formula.drawing, formula.picture))
    }

    @Test("every part of seeing a picture is a sign", arguments: precisions)
    func vision(precision: String) throws {
        let engine = try engine(precision)
        let task = MixedJobs.answer("?", images: 1, maxTokens: 1)
        let (stretches, promptTokens) = try count(engine, task, pictures: [0])
        let formula = signs(engine, precision, positions: promptTokens, context: promptTokens)
        #expect(stretches[.prefill]?.contains(formula.vision) == true, "\(formula.vision) is not in \(stretches)")
        let counted = try #require(stretches[.prefill]?.max())
        #expect(counted <= max(formula.vision, formula.layer))
    }

    @Test("every part of a picture's decoding is a sign", arguments: precisions)
    func picture(precision: String) throws {
        let engine = try engine(precision)
        let (stretches, _) = try count(engine, MixedJobs.image("a red fox"))
        #expect(stretches[.decoding]?.max() == signs(engine, precision).picture)
    }

    /// What the tiny model has none of: the sizes that the bound is made of, convolutions in bands, full passes.
    @Test(
        "at the published sizes a layer, drawing, a part of seeing and a part of decoding compute exactly what is said",
        arguments: [ModelShape.oneB, .sevenB], PackedPrecision.allCases)
    func realSizes(shape: ModelShape, precision: PackedPrecision) throws {
        var configuration = shape.configuration
        // more of the same layers would be more of the same stretches; that many words are only memory
        configuration.language.layers = 2
        configuration.vision.layers = 2
        configuration.language.vocabularySize = 1024
        let model = try JanusModel.synthetic(configuration, precision: precision)
        var before = MultiplyAdds.ofThisThread
        func stretch() -> Int {
            let now = MultiplyAdds.ofThisThread
            defer { before = now }
            return now - before
        }

        let positions = BatchResources.passPositionsMax
        let (imageRows, textRows) = (BatchResources.rowsMax, 16)
        let signs = SignsOfLife(
            configuration, isPacked: true,
            .init(positions: positions, imageRows: imageRows, textRows: textRows, context: positions))
        var layers: [Int] = []
        model.interrupt = {
            layers.append(stretch())
            return false
        }
        let cache = try KVCache(model.configuration, rows: 1, positionsMax: positions)
        let tokens = Array(0..<Int32(positions))
        let hidden = try model.forward(
            try model.embed(tokens: tokens), spans: [.init(row: 0, positions: positions)], cache: cache)
        layers.append(stretch())
        // a position sees itself and those before it
        let layer = signs.layer(keysSeen: positions * (positions + 1) / 2)
        #expect(layers == [0, layer, layer])

        _ = model.imageLogits(hidden[0..<imageRows])
        _ = model.textLogits(hidden[0..<textRows])
        _ = try model.embed(imageTokens: Array(0..<Int32(imageRows)))
        #expect(stretch() == signs.drawing)

        var vision: [Int] = []
        var seeing = model.beginVision(
            pixels: [Float](repeating: 0.5, count: 3 * configuration.imageSize * configuration.imageSize))
        vision.append(stretch())
        while !seeing.isDone {
            seeing.advance()
            vision.append(stretch())
        }
        _ = model.alignVision(seeing.features)
        vision.append(stretch())
        #expect(vision.max() == signs.vision)

        var picture: [Int] = []
        var decoding = try model.beginDecoding(imageTokens: Array(0..<Int32(configuration.generationTokens)))
        while !decoding.isDone {
            decoding.advance()
            picture.append(stretch())
        }
        #expect(picture.max() == signs.picture)
        // some of its convolutions are done in several bands
        #expect(signs.picture <= Convolution3x3.partProductsMax)
        #expect(picture.count { $0 > Convolution3x3.partProductsMax / 2 } > 6)
        print(
            "\(shape.rawValue) \(precision.rawValue), counted: layer \(layer), vision \(vision.max() ?? 0), picture "
                + "\(picture.max() ?? 0) in \(picture.count) parts")
    }

    @Test("in f32 a part of a real picture's largest convolution computes exactly what is said")
    func plainConvolution() {
        let (side, channels) = (384, 128)
        let weight = Matrix(rows: channels, columns: 9 * channels)
        let convolution = Convolution3x3(Linear(weight: weight, bias: Matrix(rows: 1, columns: channels)))
        let map = FeatureMap(height: side, width: side, pixels: Matrix(rows: side * side, columns: channels))
        var before = MultiplyAdds.ofThisThread
        var parts: [Int] = []
        var run = convolution.begin(map)
        while !run.isDone {
            run.advance()
            parts.append(MultiplyAdds.ofThisThread - before)
            before = MultiplyAdds.ofThisThread
        }
        #expect(parts.count > 50)
        #expect(
            parts.max()
                == Convolution3x3.partProductsMax(
                    side: side, inputs: channels, outputs: channels, resampling: .same, isPacked: false))
    }

    @Test(
        "two jobs at once: whatever is computed, at the latest behind a layer's work one of them is told",
        arguments: ["bf16", "int8", "int4"])
    func together(precision: String) throws {
        let engine = try engine(precision)
        var (before, longest, told, ended) = (MultiplyAdds.ofThisThread, 0, [0, 0], 0)
        let tasks = [
            MixedJobs.image("a red fox", images: 2),
            MixedJobs.answer(String(repeating: "many words ", count: 250), maxTokens: 20),
        ]
        for (index, task) in tasks.enumerated() {
            engine.batcher.submit(
                task, pictures: [],
                observer: { _ in
                    let now = MultiplyAdds.ofThisThread
                    longest = max(longest, now - before)
                    before = now
                    told[index] += 1
                    return true
                },
                end: { end in
                    if case .failure(let error) = end { Issue.record("\(error)") }
                    ended += 1
                })
        }
        while !engine.batcher.isIdle { engine.batcher.advance() }
        #expect(ended == 2 && told.allSatisfy { $0 > 20 }, "\(told)")
        let signs = SignsOfLife(
            engine.configuration, isPacked: true,
            .init(
                positions: BatchResources.passPositionsMax, imageRows: 4, textRows: 1,
                context: engine.configuration.language.positionsMax))
        #expect(longest <= signs.multiplyAddsMax, "\(longest), at most \(signs.multiplyAddsMax)")
    }

    @Test("each picture of a question is a sign of life before it is decoded")
    func files() throws {
        var calls = 0
        let engine = try packedEngine()
        engine.batcher.submit(
            MixedJobs.answer("What is different?", images: 3), pictures: try (0..<3).map(referencePicture),
            observer: { progress in
                if progress.phase == .preparing { calls += 1 }
                return true
            }, end: { _ in })
        // the first, and one before each
        #expect(calls == 4)
    }
}
