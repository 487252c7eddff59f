import Foundation
import JanusJob
import JanusWire
import Testing

import JanusSupervisor

@Suite struct RunMachineTests {
    static let run = JobRun(job: 1, runLease: 1)
    static let completion = JobCompletion(finishReason: .stop, usage: JobUsage())
    static let result = JobResult(outputs: [JobOutput(text: "yes")], completion: completion)

    private func working(timeout: Double = 100) -> RunMachine {
        var machine = RunMachine(runTimeoutSeconds: timeout, now: 0)
        _ = machine.handle(.inputsLoaded(.success([])), now: 1)
        return machine
    }

    @Test("a run goes from inputs over worker and upload to success")
    func success() {
        var machine = RunMachine(runTimeoutSeconds: 100, now: 0)
        #expect(machine.handle(.inputsLoaded(.success([Data([1])])), now: 1) == [.startWorker([Data([1])])])
        let progress = JobProgress(phase: .drawing, stepsDone: 1, stepsTotal: 2)
        #expect(machine.handle(.worker(.progress(Self.run, progress)), now: 2) == [.report(progress)])
        #expect(machine.handle(.worker(.output(Self.run, Self.result.outputs[0])), now: 3) == [])
        #expect(
            machine.handle(.worker(.finished(Self.run, Self.completion)), now: 4)
                == [.upload(Self.result)])
        #expect(machine.handle(.uploaded(.success(Self.result)), now: 5) == [.end(RunEnd(.succeeded(Self.result)))])
        #expect(machine.state == .over)
    }

    @Test("inputs that cannot be had fail the attempt before the worker hears of it")
    func badInput() {
        var machine = RunMachine(runTimeoutSeconds: 100, now: 0)
        let error = JobError(.inputUnavailable, "404", retryable: false)
        #expect(machine.handle(.inputsLoaded(.failure(error)), now: 1) == [.end(RunEnd(.failed(error)))])
    }

    @Test("inputs that are there while no worker is hand the job over, uncharged")
    func noWorker() {
        var machine = RunMachine(runTimeoutSeconds: 100, now: 0)
        let end = outcome(machine.handle(.noWorker, now: 1))
        guard case .released? = end?.outcome else { return #expect(Bool(false), "\(String(describing: end))") }
        #expect(end?.isSuspect == false && machine.state == .over)
        // it is no news to a run that has a worker
        var started = working()
        let actions = started.handle(.noWorker, now: 2)
        #expect(actions == [] && started.state == .working)
    }

    @Test("inputs that are larger together than a worker has memory for fail the job before the worker hears of it")
    func largeInputs() {
        var machine = RunMachine(runTimeoutSeconds: 100, now: 0)
        // the same bytes, many times
        let part = Data(count: 64 << 20)
        let inputs = Array(repeating: part, count: inputBytesMax / part.count)
        let error = jobError(machine.handle(.inputsLoaded(.success(inputs + [Data([1])])), now: 1))
        #expect(error?.code == .inputTooLarge && error?.retryable == false)
        var other = RunMachine(runTimeoutSeconds: 100, now: 0)
        #expect(other.handle(.inputsLoaded(.success(inputs)), now: 1) == [.startWorker(inputs)])
    }

    private func outcome(_ actions: [RunMachine.Action]) -> RunEnd? {
        guard case .end(let end)? = actions.last else { return nil }
        return end
    }

    private func jobError(_ actions: [RunMachine.Action]) -> JobError? {
        guard case .failed(let error)? = outcome(actions)?.outcome else { return nil }
        return error
    }

    @Test("a worker that ends by a run's doing is a crash of the attempt")
    func crash() throws {
        var machine = working()
        let error = try #require(jobError(machine.handle(.workerEnded(.signal(9), .charged), now: 2)))
        #expect(error.code == .workerCrashed && error.retryable)
        #expect(error.message.contains("signal 9"))
    }

    @Test("a crash among several charges nobody; who may have done it runs alone next time", arguments: [true, false])
    func suspicion(isSuspect: Bool) throws {
        var machine = working()
        let end = try #require(
            outcome(machine.handle(.workerEnded(.signal(9), isSuspect ? .suspect : .innocent), now: 2)))
        guard case .released(let reason)? = end.outcome else { return #expect(Bool(false), "\(end)") }
        #expect(end.isSuspect == isSuspect && reason.contains("signal 9"))
    }

    @Test("a worker that ends before it had the job charges nothing")
    func earlyCrash() {
        var machine = RunMachine(runTimeoutSeconds: 100, now: 0)
        let end = outcome(machine.handle(.workerEnded(.signal(9), .charged), now: 1))
        guard case .released? = end?.outcome else { return #expect(Bool(false), "\(String(describing: end))") }
        #expect(end?.isSuspect == false)
    }

    @Test("a cancel asks the worker, and its answer ends the run")
    func cancel() {
        var machine = working()
        #expect(machine.handle(.stop(.cancelRequested), now: 2) == [.cancelWorker])
        #expect(machine.handle(.worker(.stopped(Self.run)), now: 2.1) == [.end(RunEnd(.canceled))])
    }

    @Test("a worker that ignores the cancel is killed after the grace")
    func stubborn() {
        var machine = working()
        _ = machine.handle(.stop(.cancelRequested), now: 2)
        #expect(machine.handle(.tick(3), now: 3) == [])
        let late = 2.1 + RunMachine.stopSecondsMax
        #expect(machine.handle(.tick(late), now: late) == [.killWorker(sparesOthers: true), .end(RunEnd(.canceled))])
    }

    @Test("a lost claim records nothing, even when a cancel came first")
    func lost() {
        var machine = working()
        _ = machine.handle(.stop(.cancelRequested), now: 2)
        #expect(machine.handle(.stop(.lost), now: 2.5) == [])
        #expect(machine.handle(.worker(.stopped(Self.run)), now: 3) == [.end(RunEnd(nil))])
    }

    @Test("a lost claim stops an upload under way")
    func lostWhileDelivering() {
        var machine = working()
        _ = machine.handle(.worker(.finished(Self.run, Self.completion)), now: 2)
        #expect(machine.handle(.stop(.lost), now: 3) == [.cancelActivity, .end(RunEnd(nil))])
        #expect(machine.handle(.uploaded(.success(Self.result)), now: 4) == [])
    }

    @Test("run_timeout stops the worker and fails the attempt")
    func timeout() {
        var machine = working(timeout: 10)
        #expect(machine.handle(.worker(.progress(Self.run, progress)), now: 9) == [.report(progress)])
        #expect(machine.handle(.tick(10.5), now: 10.5) == [.cancelWorker])
        #expect(jobError(machine.handle(.worker(.stopped(Self.run)), now: 11))?.code == .runTimeout)
    }

    @Test("a silent worker is killed once, as hung; one that reports, of whatever run, is not")
    func hung() throws {
        var machine = working(timeout: 10_000)
        let silence = RunMachine.silenceSecondsMax
        _ = machine.handle(.worker(.progress(Self.run, progress)), now: silence)
        #expect(machine.handle(.tick(silence + 2), now: silence + 2) == [])
        _ = machine.handle(.workerLives, now: 2 * silence)
        #expect(machine.handle(.tick(2 * silence + 3), now: 2 * silence + 3) == [])
        let late = 3 * silence + 1
        #expect(machine.handle(.tick(late), now: late) == [.killWorker(sparesOthers: false)])
        #expect(machine.handle(.tick(late + 1), now: late + 1) == [])
        #expect(jobError(machine.handle(.workerEnded(.signal(9), .charged), now: late + 1))?.code == .workerHung)
    }

    @Test("draining hands the run back uncharged")
    func draining() {
        var machine = working()
        _ = machine.handle(.stop(.draining), now: 2)
        let end = outcome(machine.handle(.worker(.stopped(Self.run)), now: 3))
        guard case .released? = end?.outcome else { return #expect(Bool(false), "\(String(describing: end))") }
    }

    private var progress: JobProgress { JobProgress(phase: .drawing, stepsDone: 1, stepsTotal: 2) }
}
