import JanusJob
import JanusWire
import Testing

import JanusSupervisor

@Suite struct SlotStateTests {
    static let run = JobRun(job: 1, runLease: 1)
    static let other = JobRun(job: 2, runLease: 1)
    static let third = JobRun(job: 3, runLease: 1)

    private static func ready(_ jobsMax: Int = 1) -> WorkerReady {
        WorkerReady(jobsMax: jobsMax, fingerprint: "f", summary: "s", pictureSide: 64, tokenBytesMax: 12)
    }

    private func serving(_ jobsMax: Int, _ runs: [JobRun]) -> SlotState {
        var slot = SlotState.starting(failures: 0, why: nil)
        _ = slot.receive(.ready(Self.ready(jobsMax)))
        for run in runs {
            _ = slot.assign(run)
            slot.sent(run)
        }
        return slot
    }

    private func progress(_ run: JobRun, _ phase: JobPhase) -> WorkerMessage {
        .progress(run, JobProgress(phase: phase, stepsDone: 0, stepsTotal: 1))
    }

    @Test("a worker has places once it is ready, and its place again when a run ends")
    func life() {
        var slot = SlotState.down(failures: 0, why: nil)
        slot.start()
        #expect(slot.places == 0)
        #expect(slot.receive(.ready(Self.ready())) == .announceIdle)
        let isAssigned = slot.assign(Self.run)
        #expect(isAssigned && slot.places == 0)
        #expect(slot.receive(.stopped(Self.run)) == .deliver(.stopped(Self.run), Self.run, thenFree: true))
        #expect(slot == .serving(Self.ready(), [:]))
    }

    @Test("a worker takes as many jobs as it said, a starting one none")
    func places() {
        var starting = SlotState.starting(failures: 0, why: nil)
        var slot = serving(2, [])
        let taken = [
            starting.assign(Self.run), slot.assign(Self.run), slot.assign(Self.other), slot.assign(Self.third),
        ]
        #expect(taken == [false, true, true, false])
        slot.release(Self.run)
        #expect(slot.places == 1)
    }

    @Test("messages of a run that is over reach nobody")
    func lateMessages() {
        var slot = serving(1, [Self.other])
        #expect(slot.receive(.stopped(Self.run)) == .nothing)
        #expect(slot.runs == [Self.other: .sent])
    }

    @Test("a crash restarts at once; failing to start backs off up to the cap")
    func backoff() {
        var busy = serving(1, [Self.run])
        #expect(
            busy.ended("it says why")
                == SlotState.Restart(afterSeconds: SlotState.backoffSecondsFirst, blames: [Self.run: .charged])
        )
        var slot = SlotState.down(failures: 0, why: nil)
        var delays: [Double] = []
        for _ in 0..<12 {
            slot.start()
            let restart = slot.ended("it says why")
            #expect(restart.blames.isEmpty)
            delays.append(restart.afterSeconds)
        }
        #expect(delays.prefix(3) == [0.5, 1, 2])
        #expect(delays.last == SlotState.backoffSecondsMax)
    }

    @Test("a worker that ended before it was ready has failed to start, until one is ready; one that served has not")
    func startFailure() {
        var slot = SlotState.down(failures: 0, why: nil)
        slot.start()
        #expect(slot.startFailure == nil)
        for why in ["no file", "no memory"] {
            _ = slot.ended(why)
            #expect(slot.startFailure == why)
            slot.start()
            #expect(slot.startFailure == why)
        }
        _ = slot.receive(.ready(Self.ready()))
        #expect(slot.startFailure == nil)
        _ = slot.ended("a crash")
        #expect(slot.startFailure == nil)
        slot.start()
        #expect(slot.startFailure == nil)
    }

    @Test(
        "a crash while one job is prepared is that job's; in a batch of several, each is a suspect; alone, it is charged"
    )
    func blame() {
        func blames(_ messages: [WorkerMessage]) -> [JobRun: CrashBlame] {
            var slot = serving(4, [Self.run, Self.other, Self.third])
            for message in messages { _ = slot.receive(message) }
            return slot.ended("it says why").blames
        }
        let (run, other, third) = (Self.run, Self.other, Self.third)
        #expect(
            blames([progress(run, .drawing), progress(other, .preparing)])
                == [run: .innocent, other: .charged, third: .innocent])
        #expect(
            blames([progress(run, .drawing), progress(other, .preparing), progress(other, .prefill)])
                == [run: .suspect, other: .suspect, third: .innocent])
        #expect(blames([progress(run, .drawing)]) == [run: .charged, other: .innocent, third: .innocent])
        #expect(blames([]) == [run: .suspect, other: .suspect, third: .suspect])
        #expect(blames([.stopped(run), .stopped(other)]) == [third: .charged])
    }

    @Test("a job that its worker never heard of is not to blame")
    func unsent() {
        var slot = serving(2, [Self.run])
        _ = slot.assign(Self.other)
        #expect(
            slot.ended("it says why")
                == SlotState.Restart(
                    afterSeconds: SlotState.backoffSecondsFirst,
                    blames: [Self.run: .charged, Self.other: .innocent]))
    }
}
