import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import JanusQueue
import JanusSupervisor
import JanusWire
import Logging

/// The settings of `serve`, checked as a whole before anything is started.
struct ServePlan {
    let dsn: String
    let listenDSN: String
    let listens: Bool
    let connections: Int
    let queueOptions: QueueOptions
    let supervisor: SupervisorConfiguration
    let logLevel: Logger.Level
    let logForm: LogFormat.Form

    init(_ settings: Settings) throws {
        dsn = try settings.requiredText("database.dsn")
        listenDSN = try settings.text("database.listen_dsn") ?? dsn
        listens = try settings.flag("notifications")
        connections = try settings.whole("database.connections")
        let firstDelay = try settings.number("retry.first_seconds")
        let longestDelay = try settings.number("retry.max_seconds")
        guard firstDelay <= longestDelay else {
            throw SettingsError.invalid(
                key: "retry.first_seconds", value: "\(firstDelay)",
                expected: "at most retry.max_seconds, \(longestDelay)")
        }
        queueOptions = QueueOptions(
            hostName: try settings.text("host.name") ?? ProcessInfo.processInfo.hostName,
            leaseSeconds: try settings.number("lease.seconds"),
            statementSeconds: try settings.number("database.statement_seconds"),
            retry: RetryRule(firstDelaySeconds: firstDelay, delaySecondsMax: longestDelay))
        supervisor = SupervisorConfiguration(
            models: try Self.models(settings), workerProgram: try Self.workerProgram(settings),
            // one listens, one renews leases, one claims
            databaseConnections: connections + 3, queues: try Self.queues(settings), version: janusdVersion,
            progressSeconds: try settings.number("progress.seconds"),
            pollSeconds: try settings.number("poll.seconds"),
            reloaded: SupervisorConfiguration.Reloaded(
                graceSeconds: try settings.number("shutdown.grace_seconds"),
                retention: RetentionRule(
                    succeededSeconds: try settings.number("retention.succeeded_days") * 86400,
                    failedSeconds: try settings.number("retention.failed_days") * 86400,
                    canceledSeconds: try settings.number("retention.canceled_days") * 86400),
                delivery: try Self.delivery(settings)))
        logLevel = try Self.choice("log.level", settings)
        logForm = try Self.choice("log.format", settings)
    }

    private static func models(_ settings: Settings) throws -> [SupervisorConfiguration.Model] {
        let named = try namedModels(settings)
        let workers = try settings.whole("workers.count")
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let asked = try settings.whole("workers.threads")
        let threads = asked > 0 ? asked : min(max(1, cores / (workers * named.count)), WorkerSettings.threadsMax)
        let jobs = try settings.whole("workers.jobs")
        let cache = try cacheMebibytes(settings, workers: workers * named.count)
        let format: KeyValueFormat? =
            try settings.text("workers.cache_format") == nil ? nil : choice("workers.cache_format", settings)
        let packing = try Self.packing(settings)
        return named.map { name, path in
            SupervisorConfiguration.Model(
                worker: WorkerSettings(
                    model: path, modelName: name, packing: packing, cacheFormat: format, cacheMebibytes: cache,
                    jobs: jobs, threads: threads),
                workers: workers)
        }
    }

    /// What `models` lists, or the small model that comes with janusd.
    private static func namedModels(_ settings: Settings) throws -> [(name: String, path: String)] {
        let entries = try settings.texts("models")
        if entries.isEmpty { return [(InstalledFiles.smallModelName, try InstalledFiles.smallModel())] }
        return try entries.map { entry in
            let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, FileManager.default.fileExists(atPath: parts[1]) else {
                throw SettingsError.invalid(
                    key: "models", value: "'\(entry)'", expected: "NAME=PATH of a checkpoint or a pack that exists")
            }
            return (parts[0], parts[1])
        }
    }

    private static func workerProgram(_ settings: Settings) throws -> String {
        let program = try settings.text("workers.program") ?? InstalledFiles.program("janus-worker")
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw SettingsError.invalid(key: "workers.program", value: program, expected: "an executable file")
        }
        return program
    }

    /// nil where checkpoints run as they are.
    private static func packing(_ settings: Settings) throws -> WorkerSettings.Packing? {
        guard case .packed(let precision) = try choice("precision", settings) as Precision else { return nil }
        guard let directory = try settings.text("cache.directory") ?? InstalledFiles.cacheDirectory() else {
            throw SettingsError.missing(
                key: "cache.directory", variable: "JANUSD_CACHE_DIRECTORY", file: Settings.defaultFile)
        }
        return WorkerSettings.Packing(precision, directory: directory)
    }

    /// Of one worker, for keys and values.
    private static func cacheMebibytes(_ settings: Settings, workers: Int) throws -> Int {
        let asked = try settings.whole("workers.cache_mib")
        if asked > 0 { return asked }
        let memory = Int(ProcessInfo.processInfo.physicalMemory >> 20)
        return max(memory / cacheShareOfMemory / workers, 1)
    }

    /// Unset, keys and values of all workers take one part of so many of the machine's memory.
    private static let cacheShareOfMemory = 4

    private static func queues(_ settings: Settings) throws -> [String] {
        let queues = try settings.texts("queues")
        guard !queues.isEmpty, queues.allSatisfy({ !$0.isEmpty }) else {
            throw SettingsError.invalid(key: "queues", value: "\(queues)", expected: "at least one queue name")
        }
        return queues
    }

    private static func delivery(_ settings: Settings) throws -> DeliveryPolicy {
        let networks = try settings.texts("network.allow").map { text in
            guard let range = AddressRange(text) else {
                throw SettingsError.invalid(
                    key: "network.allow", value: "'\(text)'", expected: "a network such as 10.1.0.0/16 or fd00::/8")
            }
            return range
        }
        return DeliveryPolicy(
            allowHTTP: try settings.flag("network.allow_http"), allowedNetworks: networks,
            caFile: try settings.text("network.ca_file"), userAgent: "janusd/\(janusdVersion)",
            inputBytesMax: try settings.whole("input.bytes_max"), inputSeconds: try settings.number("input.seconds"),
            uploadSeconds: try settings.number("upload.seconds"),
            webhookSeconds: try settings.number("webhook.seconds"), uploadsMax: try settings.whole("upload.at_once"),
            webhooksMax: try settings.whole("webhook.at_once"), fileRoot: try settings.text("files.root"))
    }

    private static func choice<Value: RawRepresentable & CaseIterable>(
        _ key: String, _ settings: Settings
    ) throws -> Value where Value.RawValue == String {
        let text = try settings.requiredText(key)
        guard let value = Value(rawValue: text) else {
            throw SettingsError.invalid(
                key: key, value: "'\(text)'", expected: Value.names)
        }
        return value
    }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// What a setting can be, for people.
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
