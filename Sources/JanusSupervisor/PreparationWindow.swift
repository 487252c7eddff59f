package import JanusJob

/// Runs whose inputs are fetched before they take a place in a worker: of each model twice as many as it has places, at most
/// four of an owner. Once the window is full one more is taken at a time, of owners with none, so that whoever has slow pictures
/// keeps nobody else out.
///
/// Pure; `WorkerPool` asks it.
package struct PreparationWindow: Sendable {
    private struct Preparation {
        var model: String
        var owner: String
    }

    /// Runs of one owner that are prepared at once.
    package static let ownerMax = 4
    /// All owners that come to a full window have no more than this.
    private static let windowsMax = 4

    private var runs: [JobRun: Preparation] = [:]

    package init() {}

    private static func size(places: Int) -> Int { 2 * places }

    /// Runs of a model that are prepared at once, whoever comes.
    package static func runsMax(places: Int) -> Int { windowsMax * size(places: places) }

    package mutating func begin(_ run: JobRun, model: String, owner: String) {
        runs[run] = Preparation(model: model, owner: owner)
    }

    /// The run has a place, or is over; one that is unknown is no fault.
    package mutating func end(_ run: JobRun) { runs[run] = nil }

    /// Jobs of a model that may be claimed now.
    /// - Parameters:
    ///   - places: of all its workers.
    ///   - free: places that nobody has and nobody waits for.
    package func room(model: String, places: Int, free: Int) -> Int {
        let count = count(of: model)
        let left = Self.size(places: places) - count
        if left > 0 { return max(0, min(free, left)) }
        return count < Self.runsMax(places: places) ? max(0, min(free, 1)) : 0
    }

    /// Owners that have as many as they may, so that a claim for the model leaves them out.
    package func crowdedOwners(model: String, places: Int) -> [String] {
        let size = Self.size(places: places)
        let allowed = max(1, min(Self.ownerMax, size / 2, size - count(of: model)))
        return Dictionary(grouping: runs.values, by: \.owner).filter { $0.value.count >= allowed }.map(\.key)
    }

    private func count(of model: String) -> Int { runs.values.count { $0.model == model } }
}
