import ArgumentParser
import Foundation
import JanusEngine
import JanusJob
import JanusModel

/// Draws images from a text and writes them as files.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draws images from a text.",
        discussion: "The files' names are on standard output. The same seed gives the same files.")

    @OptionGroup var options: ModelOptions
    @Argument(help: "What the images show.") var prompt: String
    @Option(name: .shortAndLong, help: "How many images to draw.") var images = 1
    @Option(name: .shortAndLong, help: "Where chance begins (default: a new one).") var seed: Int64?
    @Option(help: "Guidance weight; 1 is none (default: generation_config.json's guidance_scale, else 5).") var cfg:
        Float?
    @Option(help: "Divides the logits before drawing; 0 takes the most likely token.") var temperature: Float = 1
    @Option(help: "Draw only from the k most likely tokens; 0 draws from all.") var topK = 0
    @Option(help: "png, jpeg or webp.") var format = ImageFormat.png
    @Option(name: .shortAndLong, help: "Directory for the files.", completion: .directory) var output = "."
    @Option(help: "Beginning of the files' names.") var name = "janus"

    func validate() throws {
        guard images >= 1, topK >= 0, temperature >= 0, temperature.isFinite, cfg?.isFinite != false else {
            throw ValidationError("--images must be at least 1; --top-k, --temperature not negative; all finite")
        }
    }

    func run() throws {
        let bar = ProgressBar(quiet: options.quiet)
        let location = try options.location()
        let engine = try options.load(location, bar)
        let parameters = GenerateParameters(
            prompt: prompt, images: images, seed: seed ?? Int64.random(in: 0...Int64(UInt32.max)),
            cfgWeight: try cfg ?? GenerationDefaults.read(location).guidanceScale ?? 5,
            temperature: temperature, topK: topK, format: format)
        do {
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
            let (drawn, usage) = try engine.generate(parameters, observer: bar.observe)
            bar.clear()
            for image in drawn {
                let path = URL(filePath: output)
                    .appending(path: "\(name)-\(parameters.seed)-\(image.index).\(format.fileExtension)")
                try image.file.write(to: path, options: .atomic)
                print(path.relativePath)
            }
            if !options.quiet { report(usage, parameters) }
        } catch let interruption as Interruption {
            bar.clear()
            throw Failure(interruption)
        }
    }

    private func report(_ usage: JobUsage, _ parameters: GenerateParameters) {
        let text = String(
            format: "seed %lld, guidance %.2f: prefill %.2f s, drawing %.2f s, decoding %.2f s\n", parameters.seed,
            Double(parameters.cfgWeight), usage.prefillSeconds, usage.drawingSeconds, usage.decodingSeconds)
        FileHandle.standardError.write(Data(text.utf8))
    }
}

extension ImageFormat: ExpressibleByArgument {}

/// The checkpoint's wishes in generation_config.json, which may be missing.
private struct GenerationDefaults: Decodable {
    var guidanceScale: Float?

    enum CodingKeys: String, CodingKey { case guidanceScale = "guidance_scale" }

    static func read(_ location: ModelLocation) throws -> GenerationDefaults {
        let name = "generation_config.json"
        let path: URL
        switch location {
        case .pack(let file):
            guard let data = try location.carriedFile(name) else { return GenerationDefaults() }
            return try decode(data, name: "\(name) of \(file)")
        case .checkpoint(let directory): path = URL(filePath: directory).appending(path: name)
        }
        guard FileManager.default.fileExists(atPath: path.path) else { return GenerationDefaults() }
        return try decode(Data(contentsOf: path), name: path.path)
    }

    private static func decode(_ data: Data, name: String) throws -> GenerationDefaults {
        do {
            return try JSONDecoder().decode(GenerationDefaults.self, from: data)
        } catch {
            throw Failure("\(name) cannot be read: \(error)")
        }
    }
}
