import Foundation
import JanusImage
package import JanusModel
import JanusTensor
import JanusText

extension Engine {
    /// An engine around a model that no checkpoint describes, to measure with. All but the weights' meaning is as for any
    /// model; the tokenizer is one of bytes, pictures are normalised as Janus-Pro does.
    package convenience init(synthetic model: JanusModel, options: Options) throws(EngineError) {
        let tokenizer: Tokenizer
        let preprocessor: ImagePreprocessor
        do throws(TextError) { tokenizer = try .ofBytes() } catch { throw .tokenizer(error) }
        do throws(ImageError) {
            let configuration =
                #"{"image_size": \#(model.configuration.imageSize), "image_mean": [0.5, 0.5, 0.5], "#
                + #""image_std": [0.5, 0.5, 0.5]}"#
            preprocessor = try ImagePreprocessor(path: "the synthetic preprocessor", contents: Data(configuration.utf8))
        } catch { throw .preprocessor(error) }
        try self.init(model, tokenizer, preprocessor, name: "synthetic", directory: "synthetic", options: options)
    }
}
