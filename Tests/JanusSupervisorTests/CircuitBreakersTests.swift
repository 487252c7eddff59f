import JanusSupervisor
import Testing

@Suite struct CircuitBreakersTests {
    private let key = CircuitBreakers.Key(owner: "alice", origin: "https://a.example")

    private func opened() -> CircuitBreakers {
        var breakers = CircuitBreakers()
        for _ in 0..<CircuitBreakers.failuresMax { breakers.report(key, isAnswered: false, now: 0) }
        return breakers
    }

    @Test("calls without an answer open it, one that is answered among them does not let it come so far")
    func opens() {
        var breakers = CircuitBreakers()
        for call in 1..<2 * CircuitBreakers.failuresMax {
            #expect(breakers.wait(key, now: 0) == nil)
            breakers.report(key, isAnswered: call == CircuitBreakers.failuresMax, now: 0)
        }
        #expect(breakers.wait(key, now: 0) == nil)
        breakers.report(key, isAnswered: false, now: 0)
        #expect(breakers.wait(key, now: 1) == CircuitBreakers.openSecondsFirst - 1)
    }

    @Test("it is an owner's own: others call the same receiver, and the owner calls others")
    func own() {
        var breakers = opened()
        #expect(breakers.wait(CircuitBreakers.Key(owner: "bob", origin: key.origin), now: 1) == nil)
        #expect(breakers.wait(CircuitBreakers.Key(owner: key.owner, origin: "https://b.example"), now: 1) == nil)
        #expect(breakers.wait(key, now: 1) != nil)
    }

    @Test("half-open it lets one call through; an answer closes it")
    func probe() {
        var breakers = opened()
        let later = CircuitBreakers.openSecondsFirst
        #expect(breakers.wait(key, now: later) == nil)
        // the others come back soon, in case the probe is answered
        #expect(breakers.wait(key, now: later) == CircuitBreakers.openSecondsFirst)
        breakers.report(key, isAnswered: true, now: later + 1)
        for _ in 0..<10 { #expect(breakers.wait(key, now: later + 1) == nil) }
    }

    @Test("a probe without an answer opens it for twice as long, up to a minute")
    func backoff() {
        var breakers = opened()
        var (now, seconds) = (0.0, CircuitBreakers.openSecondsFirst)
        for _ in 0..<8 {
            now += seconds
            #expect(breakers.wait(key, now: now) == nil)
            breakers.report(key, isAnswered: false, now: now)
            seconds = min(2 * seconds, CircuitBreakers.openSecondsMax)
            #expect(breakers.wait(key, now: now) == seconds)
        }
        #expect(seconds == CircuitBreakers.openSecondsMax)
    }

    @Test("a probe that nobody heard of again is made again")
    func lostProbe() {
        var breakers = opened()
        let later = CircuitBreakers.openSecondsFirst
        #expect(breakers.wait(key, now: later) == nil)
        #expect(breakers.wait(key, now: later + CircuitBreakers.probeSecondsMax) == nil)
    }

    @Test("calls that began before it opened change nothing when they fail, and close it when they are answered")
    func earlier() {
        var breakers = opened()
        breakers.report(key, isAnswered: false, now: 4)
        #expect(breakers.wait(key, now: 4) == 1)
        breakers.report(key, isAnswered: true, now: 4)
        #expect(breakers.wait(key, now: 4) == nil)
    }

    @Test("receivers without end cannot fill the memory, and do not close what is open")
    func bounded() {
        var breakers = opened()
        for number in 0..<2 * CircuitBreakers.countMax {
            breakers.report(CircuitBreakers.Key(owner: "eve", origin: "\(number)"), isAnswered: false, now: 0)
        }
        #expect(breakers.wait(key, now: 1) != nil)
        #expect(breakers.count <= CircuitBreakers.countMax)
    }
}
