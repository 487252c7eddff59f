import Foundation
import JanusEngine
import JanusImage
import TestSupport
import Testing

@Suite("janus-model, the tool")
struct ToolTests {
    private func run(_ arguments: [String]) throws -> TestProcess.Result {
        try TestProcess.run(Reference.executable("janus-model"), arguments)
    }

    @Test("generate writes the files that it names, the same for the same seed")
    func generate() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        var files: [[Data]] = []
        for name in ["first", "second"] {
            let result = try run([
                "generate", tinyFolder, "a red fox", "--images", "2", "--seed", "42", "--output", folder.path, "--name",
                name,
            ])
            #expect(result.status == 0, "\(result.errors)")
            let paths = result.output.split(separator: "\n").map(String.init)
            #expect(paths.map { URL(filePath: $0).lastPathComponent } == ["\(name)-42-0.png", "\(name)-42-1.png"])
            files.append(try paths.map { try Data(contentsOf: URL(filePath: $0)) })
        }
        #expect(files[0] == files[1] && files[0][0] != files[0][1])
        #expect(try RGBImage(decoding: files[0][0]).width == 64)
    }

    @Test("understand writes the answer to standard output and nothing else")
    func understand() throws {
        let expected = try ExpectedTensors(path: Reference.file("Reference/tiny/expected.safetensors"))
        let result = try run([
            "understand", tinyFolder, "Describe this scene in detail.", Reference.file("Reference/tiny/image0.png"),
            "--max-tokens", "24",
        ])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try result.output == expected.text("understand0.text") + "\n")
    }

    @Test("a pack gives the same files with one thread and with two, and the name of its precision")
    func pack() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "janus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "tiny.pack.safetensors").path
        let packed = try run(["pack", tinyFolder, "--precision", "int8", "-o", path])
        #expect(packed.status == 0 && packed.output == path + "\n", "\(packed.errors)")
        let described = try run(["describe", path]).output
        for words in ["packed in int8", "keys and values in int8: ", "keys and values in bf16 (--kv bf16): "] {
            #expect(described.contains(words), "\(described)")
        }
        var files: [[Data]] = []
        // the file itself, then the directory that holds it
        for (threads, model) in [("1", path), ("2", folder.path)] {
            let result = try run([
                "generate", model, "a red fox", "--images", "2", "--seed", "42", "--output", folder.path, "--threads",
                threads, "--name", "threads\(threads)",
            ])
            #expect(result.status == 0, "\(result.errors)")
            files.append(
                try result.output.split(separator: "\n").map { try Data(contentsOf: URL(filePath: String($0))) })
        }
        #expect(files[0].count == 2)
        let images = try files.map { try $0.map { try RGBImage(decoding: $0).pixels } }
        #expect(images[0] == images[1])
        let other = try run(
            ["generate", path, "a red fox", "--seed", "42", "--output", folder.path, "--name", "kv", "--kv", "bf16"])
        #expect(other.status == 0, "\(other.errors)")
        let wide = try RGBImage(decoding: Data(contentsOf: URL(filePath: folder.path + "/kv-42-0.png"))).pixels
        #expect(wide != images[0][0], "keys and values of another width")
        let answer = try run([
            "understand", path, "Describe.", Reference.file("Reference/tiny/image0.png"), "--max-tokens", "4",
        ])
        #expect(answer.status == 0, "\(answer.errors)")
    }

    @Test("a pack's content is checked where that is asked for")
    func check() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path + "/tiny.pack.safetensors"
        #expect(try run(["pack", tinyFolder, "--precision", "int4", "-o", path, "--quiet"]).status == 0)
        let sound = try run(["describe", path, "--check", "--source", tinyFolder])
        #expect(sound.status == 0 && sound.output.contains("content as it was packed"), "\(sound.errors)")
        var data = try Data(contentsOf: URL(filePath: path))
        data[data.count / 2] ^= 4
        let broken = try folder.write("broken.pack.safetensors", data)
        let damaged = try run(["describe", broken, "--check"])
        #expect(damaged.status != 0 && damaged.errors.contains("damaged"), "\(damaged)")
        #expect(try run(["describe", tinyFolder, "--check"]).errors.contains("no pack"))
    }

    @Test("describe lists the parts and the memory of a token")
    func describe() throws {
        let result = try run(["describe", tinyFolder])
        #expect(result.status == 0)
        for word in ["understanding encoder", "1998379", "1.0 KiB a token and row"] {
            #expect(result.output.contains(word), "\(word)")
        }
    }

    @Test(
        "what is wrong is said on standard error, with a status that is not 0",
        arguments: [
            (["generate", "/nonexistent", "a fox"], "config.json"),
            (["generate", tinyFolder, "  "], "the prompt is empty"),
            (["generate", tinyFolder, "a fox", "--images", "0"], "--images"),
            (["generate", tinyFolder, "a fox", "--format", "gif"], "gif"),
            (["generate", tinyFolder, "a fox", "--kv", "f32"], "bf16"),
            (["understand", tinyFolder, "q", "/nonexistent.png"], "/nonexistent.png"),
            (["understand", tinyFolder, "q", tinyFolder + "/config.json"], "image 0"),
            (["understand", tinyFolder, "q", "--max-tokens", "9999"], "4096"),
            (["describe", "/nonexistent"], "config.json"),
            (["quality", "/nonexistent", "--quiet"], "config.json"),
            (["quality", tinyFolder, "--outliers", "0"], "--outliers"),
            (["bench", "--shape", "2b"], "2b"),
            (["bench", "--images", "-1"], "--images"),
            (["bench", "--images", "0", "--only", "images"], "--images"),
            (["bench", "--only", "image", "step"], "step"),
            (["bench", "--runs", "0"], "--runs"),
        ])
    func errors(arguments: [String], word: String) throws {
        let result = try run(arguments)
        #expect(result.status != 0 && result.output.isEmpty)
        #expect(result.errors.contains(word), "\(result.errors)")
    }
}
