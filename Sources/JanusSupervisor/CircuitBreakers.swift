import Synchronization

/// Leaves receivers alone that do not answer: after some calls without an answer none is made for a while, then a single one,
/// which tells whether they answer again. Kept by owner and receiver, so nobody stops another's calls.
///
///     closed ──failures──► open ──time──► probing ──answer──► closed
///                           ▲                │
///                           └───no answer────┘
package struct CircuitBreakers: Sendable {
    package struct Key: Hashable, Sendable {
        package var owner: String
        package var origin: String

        package init(owner: String, origin: String) {
            self.owner = owner
            self.origin = origin
        }
    }

    private enum State {
        /// Calls are made; so many of the last had no answer. Becomes `open`.
        case closed(failures: Int)
        /// None is made until then. Becomes `probing`.
        case open(until: Double, seconds: Double)
        /// One is under way, which another may take over then. Becomes `closed` or `open`.
        case probing(until: Double, seconds: Double)
    }

    /// Calls in a row without an answer that open one.
    package static let failuresMax = 5
    /// How long it is open first; twice as long after each probe without an answer.
    package static let openSecondsFirst = 5.0
    package static let openSecondsMax = 60.0
    /// A probe that is not heard of by then is forgotten.
    package static let probeSecondsMax = 120.0
    /// Receivers that are remembered; with more, what only counted failures is forgotten.
    package static let countMax = 4096

    private var states: [Key: State] = [:]

    package init() {}

    /// Receivers that are remembered.
    package var count: Int { states.count }

    /// Asks for a call.
    /// - Returns: nil: make it, and `report` its end; else the seconds for which none is made.
    package mutating func wait(_ key: Key, now: Double) -> Double? {
        switch states[key] {
        case nil, .closed: return nil
        // soon heard of: an answer must not leave the others waiting for as long as a probe may take
        case .probing(let until, _) where now < until: return min(until - now, Self.openSecondsFirst)
        case .open(let until, let seconds), .probing(let until, let seconds):
            guard now >= until else { return until - now }
            states[key] = .probing(until: now + Self.probeSecondsMax, seconds: seconds)
            return nil
        }
    }

    package mutating func report(_ key: Key, isAnswered: Bool, now: Double) {
        guard !isAnswered else {
            states[key] = nil
            return
        }
        switch states[key] {
        case nil: count(failures: 1, of: key, now)
        case .closed(let failures): count(failures: failures + 1, of: key, now)
        // a call that began before it opened
        case .open: break
        case .probing(_, let seconds):
            let longer = min(2 * seconds, Self.openSecondsMax)
            states[key] = .open(until: now + longer, seconds: longer)
        }
        if states.count > Self.countMax { forget() }
    }

    private mutating func count(failures: Int, of key: Key, _ now: Double) {
        states[key] =
            failures < Self.failuresMax
            ? .closed(failures: failures)
            : .open(until: now + Self.openSecondsFirst, seconds: Self.openSecondsFirst)
    }

    private mutating func forget() {
        states = states.filter { _, state in
            if case .closed = state { false } else { true }
        }
        if states.count > Self.countMax { states = [:] }
    }
}

/// The breakers of this daemon, for the tasks that call.
final class Breakers: Sendable {
    private let breakers = Mutex(CircuitBreakers())

    func wait(_ key: CircuitBreakers.Key) -> Double? { breakers.withLock { $0.wait(key, now: BootClock.now) } }

    func report(_ key: CircuitBreakers.Key, isAnswered: Bool) {
        breakers.withLock { $0.report(key, isAnswered: isAnswered, now: BootClock.now) }
    }
}
