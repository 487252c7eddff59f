import Foundation
import JanusEngine
import JanusJob
import JanusModel
import JanusSystem
import JanusTensor

/// What a worker maps: what it was given, or a pack of it in the cache, which the first worker makes.
struct PackChoice {
    var location: ModelLocation
    /// What the model is called; a pack in the cache has a name that means nothing to people.
    var name: String?

    /// Packing computes with as many threads as serving, and says how far it is on standard error.
    /// - Parameters:
    ///   - precision: what a checkpoint runs in; a pack keeps its own.
    ///   - cache: the packs' directory; every precision but f32 needs one.
    static func find(
        _ model: String, name: String?, precision: Precision, cache: String?, _ options: Engine.Options
    ) throws(EngineError) -> PackChoice {
        do throws(ModelError) {
            let location = try ModelLocation.find(model)
            guard case .packed(let precision) = precision, let cache, case .checkpoint(let directory) = location else {
                return PackChoice(location: location, name: name)
            }
            let name = name ?? location.name
            Threads.configure(max(options.threads, 1))
            var log = PackLog(what: "\(name) in \(precision.rawValue)")
            let path = try PackCache(directory: cache).pack(of: directory, name: name, precision: precision) { event in
                log.record(event)
            }
            return PackChoice(location: .pack(file: path), name: name)
        } catch { throw .model(error) }
    }
}

/// Lines about a pack in the making: one for each tenth, or for each ten seconds where a tenth takes longer.
private struct PackLog {
    private static let step = 0.1
    private static let interval = Duration.seconds(10)

    let what: String
    private var lastFraction = -1.0
    private var lastTime = ContinuousClock.now

    init(what: String) { self.what = what }

    mutating func record(_ event: PackCache.Event) {
        switch event {
        case .waiting: say("waiting for another process that packs \(what)")
        case .unusable(let error): say("\(error.description); packing it again")
        case .removed(let file): say("removed \(file), a pack of what the checkpoint was before")
        case .packing(let file, let fraction):
            let now = ContinuousClock.now
            guard fraction >= 1 || fraction >= lastFraction + Self.step || now - lastTime >= Self.interval else {
                return
            }
            if lastFraction < 0 { say("packing \(what) into \(file)") }
            say("packing \(what): \(Int(fraction * 100)) %")
            lastFraction = fraction
            lastTime = now
        }
    }

    private func say(_ text: String) { writeToStandardError("janus-worker: \(text)\n") }
}
