import ArgumentParser
import Foundation
import JanusDelivery
import JanusQueue
import JanusSupervisor
import JanusWire

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check configuration, database, model and directories; say what to do about each fault.",
        discussion: "Exits with 1 if anything would keep `janusd serve` from working.")

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        var report = Report()
        let settings = await report.check("configuration") { try await Settings(file: options.config) }
        if let settings {
            let plan = await report.check("settings of serve") { try ServePlan(settings) }
            if let plan { await check(plan, &report) }
        }
        if report.faults > 0 { throw ExitCode.failure }
        print("all well")
    }

    private func check(_ plan: ServePlan, _ report: inout Report) async {
        for model in plan.supervisor.models {
            await report.check("model \(model.name)") { try checkModel(model.worker.model) }
        }
        if let packing = plan.supervisor.models.first?.worker.packing {
            await report.check("cache.directory \(packing.directory)") { try checkCache(packing.directory) }
        }
        if let root = plan.supervisor.reloaded.delivery.fileRoot {
            await report.check("files.root \(root)") {
                guard FileManager.default.isWritableFile(atPath: root) else {
                    throw SettingsError.invalid(
                        key: "files.root", value: root, expected: "a directory that can be written")
                }
            }
        }
        let queue = await report.check("database.dsn") {
            try JobQueue(dsn: plan.dsn, options: plan.queueOptions, connections: 1)
        }
        guard let queue else { return }
        guard await report.check("connection to \(queue.target)", { try await queue.ping() }) != nil else { return }
        guard await report.check("schema", { try await queue.checkSchema() }) != nil else { return }
        if let depths = await report.check("rights of janus_daemon", { try await queue.depth() }) {
            for depth in depths { print("       \(depth)") }
        }
        await report.check("workers of daemons that run") {
            if let failed = try await queue.failedModels().first {
                throw SettingsError.invalid(
                    key: "model \(failed.model) on \(failed.host)", value: "failed",
                    expected: "a worker that starts: \(failed.reason)")
            }
        }
        if plan.listens {
            await report.check("notifications") {
                for await event in try QueueListener(dsn: plan.listenDSN) {
                    if event == .reconnected { return }
                }
            }
        }
    }

    /// Only what janusd can judge without linking the model; janus-worker says the rest when it loads.
    private func checkModel(_ path: String) throws {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [path]
        // a pack carries configuration and tokenizer inside
        let isPack = entries.contains { $0.hasSuffix(".pack.safetensors") }
        for file in isPack ? [path] : ["\(path)/config.json", "\(path)/tokenizer.json"] {
            guard FileManager.default.isReadableFile(atPath: file) else {
                throw SettingsError.invalid(
                    key: "models", value: path, expected: "a checkpoint; \(file) cannot be read")
            }
        }
    }

    /// It is made when it is missing, so the nearest one that exists must be writable. A full one shows when packs are made.
    private func checkCache(_ directory: String) throws {
        var existing = URL(filePath: directory).standardizedFileURL
        while existing.path != "/", !FileManager.default.fileExists(atPath: existing.path) {
            existing.deleteLastPathComponent()
        }
        guard FileManager.default.isWritableFile(atPath: existing.path) else {
            throw SettingsError.invalid(
                key: "cache.directory", value: directory,
                expected: "a directory that can be written (\(existing.path) cannot)")
        }
    }

    /// One line a check, as it is made.
    private struct Report {
        private(set) var faults = 0

        @discardableResult
        mutating func check<Value>(_ name: String, _ body: () async throws -> Value) async -> Value? {
            do {
                let value = try await body()
                print("ok     \(name)")
                return value
            } catch {
                faults += 1
                print("FAULT  \(name): \(error)")
                return nil
            }
        }
    }
}
