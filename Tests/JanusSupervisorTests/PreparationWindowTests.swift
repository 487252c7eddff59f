import JanusJob
import JanusSupervisor
import Testing

@Suite struct PreparationWindowTests {
    private func window(_ owners: String, model: String = "m") -> PreparationWindow {
        var window = PreparationWindow()
        for (job, owner) in owners.enumerated() {
            window.begin(JobRun(job: Int64(job), runLease: 1), model: model, owner: "\(owner)")
        }
        return window
    }

    @Test("as many are claimed as places are free, and prepared as twice all places")
    func room() {
        #expect(window("").room(model: "m", places: 8, free: 8) == 8)
        #expect(window("aaaabbbbcccc").room(model: "m", places: 8, free: 8) == 4)
        #expect(window("aaaabbbbcccc").room(model: "m", places: 8, free: 3) == 3)
        #expect(window("aaaabbbbcccc").room(model: "m", places: 8, free: -1) == 0)
        #expect(window("aaaabbbbcccc").room(model: "other", places: 8, free: 8) == 8)
        #expect(window("").room(model: "m", places: 0, free: 0) == 0)
    }

    @Test("an owner has four at most, and half of the window")
    func owner() {
        #expect(window("aaabb").crowdedOwners(model: "m", places: 8) == [])
        #expect(window("aaaabb").crowdedOwners(model: "m", places: 8) == ["a"])
        #expect(window("a").crowdedOwners(model: "m", places: 1) == ["a"])
        // whatever models its jobs are for
        #expect(window("aaaa", model: "other").crowdedOwners(model: "m", places: 8) == ["a"])
    }

    @Test(
        "a full window takes one at a time, of those who have none, until there are too many of them",
        arguments: [1, 8])
    func newcomer(places: Int) {
        let full = String(repeating: "a", count: places) + String(repeating: "b", count: places)
        #expect(window(full).room(model: "m", places: places, free: places) == 1)
        #expect(Set(window(full).crowdedOwners(model: "m", places: places)) == ["a", "b"])
        let most = PreparationWindow.runsMax(places: places)
        let crowd = String((0..<most).map { Character(UnicodeScalar(UInt8(48 + $0))) })
        #expect(window(crowd).room(model: "m", places: places, free: places) == 0)
        #expect(window(String(crowd.dropLast())).room(model: "m", places: places, free: places) == 1)
    }

    @Test("a run that has a place counts no more")
    func end() {
        var window = window("a")
        for job in [0, 0, 7] { window.end(JobRun(job: Int64(job), runLease: 1)) }
        #expect(window.room(model: "m", places: 1, free: 1) == 1 && window.crowdedOwners(model: "m", places: 1) == [])
    }
}
