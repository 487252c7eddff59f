import Foundation
import JanusEngine
import JanusJob
import JanusModel
import TestSupport
import Testing

/// A model with a weight that is not finite gives no result, and says which of its stages is not finite.
@Suite("damaged models")
struct DamagedModelTests {
    private func run(_ arguments: [String]) throws -> TestProcess.Result {
        try TestProcess.run(Reference.executable("janus-model"), arguments)
    }

    @Test(
        "generate writes no picture of what is not finite, and names the stage",
        arguments: [
            ("model.vqmodel.decoder.conv_out.bias", "the pixels of the VQ decoder"),
            ("model.generation_head.proj_out.bias", "the logits of an image token"),
        ], [Float.nan, .infinity])
    func pictures(fault: (tensor: String, stage: String), value: Float) throws {
        let copy = try NanoCopy(with: value, in: fault.tensor)
        let output = try TemporaryDirectory()
        let result = try run(["generate", copy.path, "a red circle", "--seed", "1", "--output", output.path])
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("\(fault.stage) are not finite numbers"), "\(result.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).isEmpty)
    }

    @Test(
        "understand answers nothing about what is not finite, and names the stage",
        arguments: [
            ("model.vision_model.post_layernorm.bias", "the features of the vision encoder"),
            ("model.aligner.fc1.bias", "the embeddings of the understanding adaptor"),
            ("model.language_model.norm.weight", "the logits of a text token"),
        ], [Float.nan, .infinity])
    func questions(fault: (tensor: String, stage: String), value: Float) throws {
        let copy = try NanoCopy(with: value, in: fault.tensor)
        let result = try run([
            "understand", copy.path, "What shape is it?", Reference.file("Reference/tiny/image0.png"),
        ])
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("\(fault.stage) are not finite numbers"), "\(result.errors)")
    }

    @Test("every job that waits for a picture which cannot be seen fails, and so does the next")
    func shared() throws {
        let copy = try NanoCopy(with: .nan, in: "model.vision_model.post_layernorm.bias")
        let engine = try Engine.load(ModelLocation.find(copy.path), options: Engine.Options())
        var errors: [JobError] = []
        func submit(_ question: String) throws {
            engine.batcher.submit(
                MixedJobs.answer(question, images: 1), pictures: [try referencePicture(0)], observer: { _ in true },
                end: { if case .failure(.failed(let error)) = $0 { errors.append(error) } })
        }
        func finish() {
            // far more steps than they need
            for _ in 0..<1000 where !engine.batcher.isIdle { engine.batcher.advance() }
            #expect(engine.batcher.isIdle)
        }
        try submit("What shape is it?")
        try submit("What color is it?")
        finish()
        #expect(errors.count == 2)
        try submit("Where is it?")
        finish()
        #expect(errors.count == 3)
        for error in errors { #expect(error.message.contains("the vision encoder") && !error.retryable) }
        #expect(engine.batcher.cacheBytesUsed == 0)
    }
}
