import ArgumentParser
import Foundation
import JanusHTTP
import JanusJob
import JanusQueue

/// A client of the configured database, and the job's course on a terminal.
struct ClientOptions: ParsableArguments {
    @OptionGroup var options: ConfigurationOptions

    func client() async throws -> JobClient {
        try JobClient(dsn: try await Settings(file: options.config).requiredText("database.dsn"))
    }
}

/// A URL as people type it, in the form that the database takes; other sinks as they are.
private func carried(_ text: String) throws -> String {
    let scheme = text.prefix { $0 != ":" }.lowercased()
    return ["http", "https"].contains(scheme) ? try HTTPURL.carried(text).text : text
}

struct Enqueue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Enqueue a job, as janus.generate or janus.understand do.",
        discussion: """
            Connects with database.dsn, so the role needs what janus_client has.

            Examples:
              janusd enqueue generate "a red fox" --images 4 --seed 42 --wait
              janusd enqueue understand "How many birds?" --image birds.jpg --wait
            """,
        subcommands: [Generate.self, Understand.self])

    struct Common: ParsableArguments {
        @OptionGroup var client: ClientOptions
        @Option(help: "The same seed gives the same bytes; default: a random one.") var seed: Int64?
        @Option(help: "0 first … 9 last; default 5.") var priority: Int?
        @Option(help: "Default: the database's default model.") var model: String?
        @Option(help: "Default: default.") var queue: String?
        @Option(help: "A repeat with the same key and arguments returns the first job's id.") var idempotencyKey:
            String?
        @Option(help: "Called when the job ends.") var webhookURL: String?
        @Option(help: "db:, https://…/ or file:///…/; may be repeated.") var uploadTo: [String] = []
        @Flag(help: "Wait for the job's end and show its progress.") var wait = false

        func enqueueOptions() throws -> EnqueueOptions {
            var options = EnqueueOptions()
            options.seed = seed
            options.priority = priority
            options.model = model
            options.queue = queue
            options.idempotencyKey = idempotencyKey
            options.webhookURL = try webhookURL.map(carried)
            options.uploadTo = uploadTo.isEmpty ? nil : try uploadTo.map(carried)
            return options
        }

        func follow(_ job: Int64, _ client: JobClient) async throws {
            print(job)
            if wait { try await JobFollower(client: client).follow(job) }
        }
    }

    struct Generate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Text to images.")
        @Argument(help: "What to draw.") var prompt: String
        @Option(help: "How many; default 1.") var images: Int?
        @Option(help: "Guidance weight; default 5.") var cfgWeight: Double?
        @Option(help: "0 takes the most likely token; default 1.") var temperature: Double?
        @Option(help: "png, jpeg or webp; default png.") var format: String?
        @OptionGroup var common: Common

        func run() async throws {
            let client = try await common.client.client()
            var options = try common.enqueueOptions()
            options.temperature = temperature
            let job = try await client.generate(
                prompt: prompt, images: images, cfgWeight: cfgWeight, format: format, options: options)
            try await common.follow(job, client)
        }
    }

    struct Understand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "A question, with pictures or without, to text.")
        @Argument(help: "The question.") var prompt: String
        @Option(name: .customLong("image"), help: "A file, or an https:// URL; may be repeated.")
        var images: [String] = []
        @Option(help: "The answer ends after so many tokens; default 512.") var maxTokens: Int?
        @OptionGroup var common: Common

        func run() async throws {
            let count = images.count { $0.contains("://") }
            // the job takes URLs first: another order would show other pictures than the ones asked about
            guard images.prefix(count).allSatisfy({ $0.contains("://") }) else {
                throw ValidationError("--image: URLs must stand before files")
            }
            let urls = try images.prefix(count).map(carried)
            let files = try images.dropFirst(count).map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
            let client = try await common.client.client()
            let job = try await client.understand(
                prompt: prompt, imageURLs: urls, imageData: files, maxTokens: maxTokens,
                options: try common.enqueueOptions())
            try await common.follow(job, client)
        }
    }
}

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a job, as janus.status does, as JSON.")
    @Argument(help: "The job's id.") var job: Int64
    @Flag(help: "Wait for its end and show its progress.") var wait = false
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let client = try await client.client()
        if wait { return try await JobFollower(client: client).follow(job) }
        print(try await JobFollower(client: client).status(job).json)
    }
}

struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Cancel a queued job at once, or ask a running one to stop; prints the state that results for now.")
    @Argument(help: "The job's id.") var job: Int64
    @OptionGroup var client: ClientOptions

    func run() async throws { print(try await client.client().cancel(job)) }
}

struct WebhookSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook-secret", abstract: "Print the secret that verifies the webhooks of this role.")
    @Flag(help: "Make a new one; the old one signs too for a day.") var rotate = false
    @OptionGroup var client: ClientOptions

    func run() async throws { print(try await client.client().webhookSecret(rotate: rotate)) }
}
