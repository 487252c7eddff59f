import JanusSupervisor
import TestSupport
import Testing

@Suite struct FairPlacesTests {
    /// Everybody comes in this order, then as many as may go in do.
    private func admitted(_ places: inout FairPlaces, _ owners: String, host: String = "h") -> [String] {
        let first = 1000 * places.limits.total + places.free
        let tickets = Dictionary(uniqueKeysWithValues: owners.enumerated().map { (first + $0.offset, "\($0.element)") })
        for ticket in tickets.keys.sorted() {
            places.arrive(ticket, owner: tickets[ticket] ?? "", hosts: host.isEmpty ? [] : [host])
        }
        return places.admit().compactMap { tickets[$0] }
    }

    @Test("an owner has at most a quarter of the places, however many it wants")
    func quarter() {
        var places = FairPlaces(PlaceLimits(total: 16))
        #expect(admitted(&places, "aaaaaaaaaa", host: "") == ["a", "a", "a", "a"])
        #expect(places.free == 12 && places.insideOfOwner == ["a": 4])
    }

    @Test("a newcomer finds a place though all others are greedy", arguments: [4, 8, 16, 24, 64])
    func newcomer(total: Int) {
        var places = FairPlaces(PlaceLimits(total: total))
        var ticket = 0
        // as many greedy owners as there are quarters
        for owner in ["a", "b", "c", "d"].prefix(total == 4 ? 3 : 4) {
            for _ in 0..<100 {
                ticket += 1
                places.arrive(ticket, owner: owner, hosts: [])
            }
            _ = places.admit()
        }
        let hasPlace = places.enterNow(ticket + 1, owner: "newcomer", hosts: [])
        #expect(hasPlace, "\(places.insideOfOwner)")
    }

    @Test("a host has at most half of the places, and does not hold up those who go elsewhere")
    func hosts() {
        var places = FairPlaces(PlaceLimits(total: 8))
        #expect(admitted(&places, "abcdef", host: "full") == ["a", "b", "c", "d"])
        #expect(places.enterNow(1, owner: "g", hosts: ["full"]) == false)
        places.arrive(2, owner: "e", hosts: ["other"])
        // e's earlier one waits for the full host; this need not
        #expect(places.admit() == [2])
    }

    @Test("a newcomer to a host finds a place though four others are greedy there", arguments: [16, 24, 64])
    func newcomerToHost(total: Int) {
        var places = FairPlaces(PlaceLimits(total: total))
        var ticket = 0
        for owner in ["a", "b", "c", "d"] {
            for _ in 0..<100 {
                ticket += 1
                places.arrive(ticket, owner: owner, hosts: ["h"])
            }
            _ = places.admit()
        }
        let inside = places.insideOfOwner
        let hasPlace = places.enterNow(ticket + 1, owner: "newcomer", hosts: ["h"])
        #expect(hasPlace, "\(inside)")
        // and all are given back
        for ticket in 1...ticket + 1 { places.leave(ticket) }
        let again = admitted(&places, "abcd", host: "h")
        #expect(again == ["a", "b", "c", "d"])
    }

    @Test("places that become free go to the owner with the fewest, then to the one that waits the longest")
    func turns() {
        var places = FairPlaces(PlaceLimits(total: 12))
        for (ticket, owner) in [(1, "a"), (2, "b"), (3, "c")] { places.arrive(ticket, owner: owner, hosts: []) }
        #expect(places.admit() == [1, 2, 3])
        for ticket in 11...13 { places.arrive(ticket, owner: "a", hosts: []) }
        for ticket in 21...22 { places.arrive(ticket, owner: "b", hosts: []) }
        places.arrive(31, owner: "d", hosts: [])
        #expect(places.admit() == [31, 11, 21, 12, 22])
        places.leave(31)
        places.leave(1)
        #expect(places.admit() == [13])
    }

    @Test("an owner is crowded with its share under way and waiting, and no longer when one ends")
    func crowded() {
        var places = FairPlaces(PlaceLimits(total: 16))
        for ticket in 1...3 { places.arrive(ticket, owner: "a", hosts: []) }
        _ = places.admit()
        #expect(places.crowdedOwners == [])
        places.arrive(4, owner: "a", hosts: [])
        #expect(places.crowdedOwners == ["a"])
        places.leave(2)
        #expect(places.crowdedOwners == [])
        // and everybody who is there at all, once all places are spoken for
        for ticket in 100..<113 { places.arrive(ticket, owner: "o\(ticket)", hosts: []) }
        #expect(places.crowdedOwners.count == 14)
    }

    @Test("who leaves twice, or was never there, changes nothing")
    func leaving() {
        var places = FairPlaces(PlaceLimits(total: 8))
        #expect(places.enterNow(1, owner: "a", hosts: ["h"]) == true)
        for ticket in [1, 1, 7] { places.leave(ticket) }
        #expect(places.free == 8 && places.insideOfOwner.isEmpty)
    }
}

@Suite struct TurnstileTests {
    @Test("tasks wait for a place, and one that is cancelled gives its turn to the next")
    func cancellation() async throws {
        let turnstile = Turnstile(PlaceLimits(total: 1), freed: {})
        let first = try #require(turnstile.enterNow(owner: "a", hosts: []))
        let canceled = Task { await turnstile.withPlace(owner: "b", hosts: []) { true } }
        let waiting = Task { await turnstile.withPlace(owner: "c", hosts: []) { true } }
        try await waitUntil("both wait") { Set(turnstile.places.crowdedOwners) == ["a", "b", "c"] }
        canceled.cancel()
        #expect(await canceled.value == nil)
        turnstile.leave(first, of: "a")
        #expect(await waiting.value == true)
        #expect(turnstile.places.free == 1)
    }

    @Test("a task that is cancelled already gets no place")
    func canceledBefore() async {
        let turnstile = Turnstile(PlaceLimits(total: 4), freed: {})
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await turnstile.withPlace(owner: "a", hosts: []) { true }
        }
        task.cancel()
        #expect(await task.value == nil)
        #expect(turnstile.places.free == 4)
    }

    @Test(
        "other limits hold at once: more let in who waits; with fewer nobody is put out, and nobody comes in until there is room"
    )
    func change() async throws {
        let turnstile = Turnstile(PlaceLimits(total: 1), freed: {})
        let first = try #require(turnstile.enterNow(owner: "a", hosts: []))
        let waiting = Task { await turnstile.withPlace(owner: "b", hosts: []) { true } }
        try await waitUntil("it waits") { Set(turnstile.places.crowdedOwners) == ["a", "b"] }
        turnstile.change(to: PlaceLimits(total: 4))
        #expect(await waiting.value == true)
        let second = try #require(turnstile.enterNow(owner: "c", hosts: []))
        turnstile.change(to: PlaceLimits(total: 1))
        #expect(turnstile.enterNow(owner: "d", hosts: []) == nil)
        turnstile.leave(second, of: "c")
        #expect(turnstile.enterNow(owner: "d", hosts: []) == nil)
        turnstile.leave(first, of: "a")
        #expect(turnstile.enterNow(owner: "d", hosts: []) != nil)
    }

    @Test("whoever claims hears when an owner that was left out may have jobs again")
    func freed() async throws {
        let (signals, continuation) = AsyncStream<Void>.makeStream()
        let turnstile = Turnstile(PlaceLimits(total: 4), freed: { continuation.yield() })
        let ticket = try #require(turnstile.enterNow(owner: "a", hosts: []))
        #expect(turnstile.places.crowdedOwners == ["a"])
        turnstile.leave(ticket, of: "a")
        continuation.finish()
        #expect(await signals.reduce(0) { count, _ in count + 1 } == 1)
    }
}
