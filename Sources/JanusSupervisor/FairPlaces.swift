/// How many may be under way at once.
package struct PlaceLimits: Sendable, Equatable {
    package var total: Int
    package var owner: Int
    package var host: Int

    /// An owner has at most a quarter of them, a host at most half; each at least one.
    /// - Parameter owner: what an owner has at most besides.
    package init(total: Int, owner: Int = .max) {
        self.total = max(total, 1)
        self.owner = max(min(owner, total / 4), 1)
        self.host = max(total / 2, 1)
    }
}

/// Who may be under way now, of all that want to: bounded in all, for an owner and for a host, and shared between owners in
/// turn. Nobody can keep a newcomer out: the fewer places are free, the fewer an owner may hold.
///
/// Pure; `Turnstile` lets tasks wait for what it decides.
package struct FairPlaces: Sendable {
    package typealias Ticket = Int

    private struct Visit {
        var owner: String
        var hosts: Set<String>
    }

    private struct Share {
        /// Under way.
        var inside = 0
        var insideOfHost: [String: Int] = [:]
        /// In the order of their coming.
        var waiting: [Ticket] = []
        /// When it was let in last, or came: whoever waits the longest is next.
        var turn: Int
    }

    /// Those who are inside stay, also where they are more than a new limit.
    package var limits: PlaceLimits
    private var visits: [Ticket: Visit] = [:]
    private var shares: [String: Share] = [:]
    private var insideOfHost: [String: Int] = [:]
    private var inside = 0
    private var turns = 0

    package init(_ limits: PlaceLimits) { self.limits = limits }

    package var free: Int { limits.total - inside }

    /// How many an owner with none may begin now.
    package var allowance: Int { max(1, min(limits.owner, free / 2)) }

    /// How many of an owner are under way.
    package var insideOfOwner: [String: Int] { shares.mapValues(\.inside).filter { $0.value > 0 } }

    /// Owners that have as many under way and waiting as they may: new work of theirs would only wait.
    package var crowdedOwners: [String] {
        let allowed = max(1, min(limits.owner, limits.total - visits.count))
        return shares.filter { $0.value.inside + $0.value.waiting.count >= allowed }.map(\.key)
    }

    package func isCrowded(_ owner: String) -> Bool { crowdedOwners.contains(owner) }

    /// Puts somebody into the line of its owner.
    /// - Parameter ticket: of the caller's choice, and nobody else's.
    package mutating func arrive(_ ticket: Ticket, owner: String, hosts: Set<String>) {
        visits[ticket] = Visit(owner: owner, hosts: hosts)
        var share = shares[owner] ?? Share(turn: nextTurn())
        share.waiting.append(ticket)
        shares[owner] = share
    }

    /// Lets in whoever may: first the owner with the fewest inside, of those the one that waits the longest.
    package mutating func admit() -> [Ticket] {
        var admitted: [Ticket] = []
        while let ticket = next() {
            enter(ticket)
            admitted.append(ticket)
        }
        return admitted
    }

    /// Lets this one in at once, or not at all.
    package mutating func enterNow(_ ticket: Ticket, owner: String, hosts: Set<String>) -> Bool {
        arrive(ticket, owner: owner, hosts: hosts)
        guard mayEnter(ticket) else {
            leave(ticket)
            return false
        }
        enter(ticket)
        return true
    }

    /// Ends a visit, or a wait; a ticket that is unknown is no fault.
    package mutating func leave(_ ticket: Ticket) {
        guard let visit = visits.removeValue(forKey: ticket), var share = shares[visit.owner] else { return }
        if let place = share.waiting.firstIndex(of: ticket) {
            share.waiting.remove(at: place)
        } else {
            share.inside -= 1
            inside -= 1
            for host in visit.hosts {
                Self.countDown(&insideOfHost[host])
                Self.countDown(&share.insideOfHost[host])
            }
        }
        shares[visit.owner] = share.inside == 0 && share.waiting.isEmpty ? nil : share
    }

    private mutating func enter(_ ticket: Ticket) {
        guard let visit = visits[ticket] else { return }
        let turn = nextTurn()
        inside += 1
        shares[visit.owner]?.inside += 1
        shares[visit.owner]?.waiting.removeAll { $0 == ticket }
        shares[visit.owner]?.turn = turn
        for host in visit.hosts {
            insideOfHost[host, default: 0] += 1
            shares[visit.owner]?.insideOfHost[host, default: 0] += 1
        }
    }

    private func next() -> Ticket? {
        guard free > 0 else { return nil }
        let line = shares.values.filter { !$0.waiting.isEmpty }.sorted { ($0.inside, $0.turn) < ($1.inside, $1.turn) }
        for share in line {
            // another host of the same owner need not wait for a full one
            if let ticket = share.waiting.first(where: mayEnter) { return ticket }
        }
        return nil
    }

    private func mayEnter(_ ticket: Ticket) -> Bool {
        guard free > 0, let visit = visits[ticket], let share = shares[visit.owner] else { return false }
        let mayOwner = share.inside == 0 || share.inside < min(limits.owner, free)
        return mayOwner && visit.hosts.allSatisfy { mayReach($0, share) }
    }

    /// Owners share a host's places as they share all.
    private func mayReach(_ host: String, _ share: Share) -> Bool {
        let free = limits.host - insideOfHost[host, default: 0]
        let own = share.insideOfHost[host, default: 0]
        return free > 0 && (own == 0 || own < free / 2)
    }

    /// Nothing is kept of what is not there.
    private static func countDown(_ count: inout Int?) {
        count = count.flatMap { $0 > 1 ? $0 - 1 : nil }
    }

    private mutating func nextTurn() -> Int {
        turns += 1
        return turns
    }
}
