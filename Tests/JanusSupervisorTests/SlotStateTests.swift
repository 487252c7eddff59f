import JanusJob
import JanusWire
import Testing

import JanusSupervisor

@Suite struct SlotStateTests {
    static let run = JobRun(job: 1, runLease: 1)
    static let ready = WorkerReady(jobsMax: 1, fingerprint: "f", summary: "s", contextTokensMax: 64)

    @Test("a worker is free once it is ready, and free again when its run ends")
    func life() {
        var slot = SlotState.down(failures: 0)
        slot.start()
        #expect(slot.receive(.ready(Self.ready)) == .announceIdle)
        let isAssigned = slot.assign(Self.run)
        #expect(isAssigned)
        #expect(slot.receive(.stopped(Self.run)) == .deliver(.stopped(Self.run), Self.run, thenIdle: true))
        #expect(slot == .idle(Self.ready))
    }

    @Test("a busy or starting slot takes no second job")
    func exclusive() {
        var starting = SlotState.starting(failures: 0)
        var busy = SlotState.busy(Self.run, Self.ready)
        let other = JobRun(job: 2, runLease: 1)
        let taken = [starting.assign(other), busy.assign(other)]
        #expect(taken == [false, false])
    }

    @Test("messages of an earlier run do not reach the next one")
    func lateMessages() {
        var slot = SlotState.busy(JobRun(job: 2, runLease: 1), Self.ready)
        #expect(slot.receive(.stopped(Self.run)) == .nothing)
        #expect(slot == .busy(JobRun(job: 2, runLease: 1), Self.ready))
    }

    @Test("a worker that speaks before it is ready, or is ready twice, is killed")
    func order() {
        var starting = SlotState.starting(failures: 0)
        #expect(starting.receive(.stopped(Self.run)) == .kill(reason: "message out of order"))
        var idle = SlotState.idle(Self.ready)
        #expect(idle.receive(.ready(Self.ready)) == .kill(reason: "message out of order"))
    }

    @Test("a crash tells the run and restarts at once; failing to start backs off up to the cap")
    func backoff() {
        var busy = SlotState.busy(Self.run, Self.ready)
        #expect(busy.ended() == .restart(afterSeconds: SlotState.backoffSecondsFirst, tell: Self.run))
        var slot = SlotState.down(failures: 0)
        var delays: [Double] = []
        for _ in 0..<12 {
            slot.start()
            if case .restart(let seconds, nil) = slot.ended() { delays.append(seconds) }
        }
        #expect(delays.prefix(3) == [0.5, 1, 2])
        #expect(delays.last == SlotState.backoffSecondsMax)
    }
}
