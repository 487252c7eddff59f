import Foundation
import JanusJob
import JanusWire
import Logging

/// The worker processes of this host and the runs they hold. `SlotState` decides, this acts.
actor WorkerPool {
    private struct Slot {
        var model: SupervisorConfiguration.Model
        var state = SlotState.down(failures: 0, why: nil)
        var process: WorkerProcess?
        /// Of each run that the worker holds.
        var mailboxes: [JobRun: Mailbox] = [:]
        /// A run did not obey, and its worker was killed for it: the others are not to blame.
        var isKilledForOne = false
        /// The last line of its standard error.
        var lastLine: String?
    }

    /// A run whose inputs are there.
    private struct Waiter {
        var run: JobRun
        var model: String
        var mailbox: Mailbox
        var continuation: CheckedContinuation<Bool, Never>
    }

    /// Where the events of one run go.
    typealias Mailbox = AsyncStream<RunEvent>.Continuation

    private let program: String
    private var slots: [Slot]
    /// Runs without a place: their inputs are fetched, or they wait in `waiting`.
    private var prepared = PreparationWindow()
    /// In the order in which their inputs came.
    private var waiting: [Waiter] = []
    private let idle: WakeSignal
    private let failuresChanged: WakeSignal
    private let logger: Logger

    /// - Parameters:
    ///   - program: the janus-worker to start.
    ///   - idle: woken whenever a worker becomes free.
    ///   - failuresChanged: woken whenever `failures` may have changed.
    init(
        program: String, models: [SupervisorConfiguration.Model], idle: WakeSignal, failuresChanged: WakeSignal,
        logger: Logger
    ) {
        self.program = program
        self.slots = models.flatMap { model in Array(repeating: Slot(model: model), count: model.workers) }
        self.idle = idle
        self.failuresChanged = failuresChanged
        self.logger = logger
    }

    /// Keeps every slot filled with a living process until the task is cancelled; then ends them.
    func run() async {
        await withDiscardingTaskGroup { group in
            for index in slots.indices { group.addTask { await self.keep(index) } }
        }
    }

    /// How many jobs of a model may be claimed now, and of whom none.
    func opening(for model: String) -> (room: Int, crowdedOwners: [String]) {
        let states = slots.filter { $0.model.name == model }.map(\.state)
        let places = states.reduce(0) { $0 + $1.jobsMax }
        let free = states.reduce(0) { $0 + $1.places } - waiting.count { $0.model == model }
        return (
            prepared.room(model: model, places: places, free: free),
            prepared.crowdedOwners(model: model, places: places)
        )
    }

    /// Workers that have loaded, and the places for jobs that are free in them, for the service manager's status line.
    var counts: (ready: Int, all: Int, places: Int) {
        (slots.count { $0.state.isServing }, slots.count, slots.reduce(0) { $0 + $1.state.places })
    }

    /// Models that have failed: no worker of them serves, and one ended before it was ready. Others are started all the same: what
    /// keeps them may pass. By name, why.
    var failures: [String: String] {
        Dictionary(grouping: slots, by: \.model.name).compactMapValues { slots in
            slots.contains(where: \.state.isServing) ? nil : slots.lazy.compactMap(\.state.startFailure).first
        }
    }

    /// A run whose inputs are fetched before it takes a place, by `place`.
    func prepare(_ run: JobRun, model: String, owner: String) {
        prepared.begin(run, model: model, owner: owner)
    }

    /// Takes a place for a prepared run as soon as there is one.
    /// - Returns: false when no worker is ready, or when the run has ended: whoever ends it calls `release`, after it cancelled
    ///   this task.
    func place(_ run: JobRun, model: String, mailbox: Mailbox) async -> Bool {
        guard !Task.isCancelled, slots.contains(where: { $0.model.name == model && $0.state.jobsMax > 0 }) else {
            return false
        }
        return await withCheckedContinuation { continuation in
            waiting.append(Waiter(run: run, model: model, mailbox: mailbox, continuation: continuation))
            fill()
        }
    }

    /// Takes a place for a run, in the worker that has the most; false when there is none.
    func assign(_ run: JobRun, model: String, mailbox: Mailbox) -> Bool {
        let candidates = slots.indices.filter { slots[$0].model.name == model }
        guard let index = candidates.max(by: { slots[$0].state.places < slots[$1].state.places }),
            slots[index].state.assign(run)
        else { return false }
        slots[index].mailboxes[run] = mailbox
        prepared.end(run)
        return true
    }

    /// Frees the place of a run that ended before anything was sent to its worker, or ends its wait for one.
    func release(_ run: JobRun) {
        prepared.end(run)
        if let index = waiting.firstIndex(where: { $0.run == run }) {
            waiting.remove(at: index).continuation.resume(returning: false)
        }
        if let index = index(of: run) {
            slots[index].state.release(run)
            slots[index].mailboxes[run] = nil
        }
        fill()
    }

    /// Gives free places to those who wait, and looks for more jobs.
    private func fill() {
        var left: [Waiter] = []
        for waiter in waiting {
            if assign(waiter.run, model: waiter.model, mailbox: waiter.mailbox) {
                waiter.continuation.resume(returning: true)
            } else {
                left.append(waiter)
            }
        }
        waiting = left
        idle.wake()
    }

    /// Without a worker nobody knows how long: others may have one.
    private func refuseWaiting(for model: String) {
        guard !slots.contains(where: { $0.model.name == model && $0.state.jobsMax > 0 }) else { return }
        for waiter in waiting where waiter.model == model { waiter.continuation.resume(returning: false) }
        waiting.removeAll { $0.model == model }
    }

    /// Gives the job to its worker.
    func begin(_ start: JobStart, inputs: [Data]) {
        guard let index = index(of: start.run) else { return }
        slots[index].state.sent(start.run)
        slots[index].process?.send(.start(start))
        for (input, data) in inputs.enumerated() {
            slots[index].process?.send(.input(start.run, index: input, data))
        }
        logger.debug(
            "job sent to its worker",
            metadata: [
                "job": "\(start.run.job)", "kind": "\(start.task.kind.rawValue)",
                "pid": "\(slots[index].process?.pid ?? 0)",
            ])
    }

    func cancel(_ run: JobRun) {
        guard let index = index(of: run) else { return }
        slots[index].process?.send(.cancel(run))
    }

    /// - Parameter sparesOthers: the worker is killed because this run does not stop; its other runs go back uncharged.
    func kill(_ run: JobRun, sparesOthers: Bool) {
        guard let index = index(of: run) else { return }
        slots[index].isKilledForOne = sparesOthers
        slots[index].process?.kill()
    }

    private func index(of run: JobRun) -> Int? { slots.firstIndex { $0.state.runs[run] != nil } }

    private func keep(_ index: Int) async {
        while !Task.isCancelled {
            slots[index].state.start()
            let backoff = await live(index)
            if !Task.isCancelled { await pause(seconds: backoff) }
        }
    }

    /// One process from start to end.
    /// - Returns: seconds to wait before the next.
    private func live(_ index: Int) async -> Double {
        let model = slots[index].model
        let process: WorkerProcess
        do {
            process = try await WorkerProcess.start(program, model.worker)
        } catch {
            logger.error("worker not started", metadata: ["model": "\(model.name)", "error": "\(error)"])
            return ended(index, describe: nil, why: "\(error)")
        }
        slots[index].process = process
        logger.info("worker started", metadata: ["model": "\(model.name)", "pid": "\(process.pid)"])
        // not a child task: after a cancellation the process is still to be watched to its end and reaped
        let life = Task { () -> WorkerExit in
            for await event in process.events {
                switch event {
                case .message(let message): receive(message, at: index)
                case .said(let line):
                    slots[index].lastLine = line
                    logger.info("worker says", metadata: ["pid": "\(process.pid)", "line": "\(line)"])
                case .ended(let exit): return exit
                }
            }
            return .status(0)
        }
        let exit = await withTaskCancellationHandler {
            await life.value
        } onCancel: {
            process.stop()
        }
        return ended(index, describe: exit, why: Self.why(exit, lastLine: slots[index].lastLine))
    }

    private func receive(_ message: WorkerMessage, at index: Int) {
        switch slots[index].state.receive(message) {
        case .nothing: break
        case .announceIdle:
            if case .ready(let ready) = message {
                logger.info(
                    "worker ready",
                    metadata: [
                        "model": "\(slots[index].model.name)", "summary": "\(ready.summary)",
                        "fingerprint": "\(ready.fingerprint)",
                    ])
            }
            failuresChanged.wake()
            fill()
        case .deliver(let message, let run, let thenFree):
            for (other, mailbox) in slots[index].mailboxes {
                mailbox.yield(other == run ? .worker(message) : .workerLives)
            }
            guard thenFree else { return }
            slots[index].mailboxes[run] = nil
            fill()
        }
    }

    /// - Parameter why: what is said of its model if it ended before it was ready.
    private func ended(_ index: Int, describe exit: WorkerExit?, why: String) -> Double {
        let pid = slots[index].process?.pid ?? 0
        slots[index].process = nil
        slots[index].lastLine = nil
        let before = failures
        let restart = slots[index].state.ended(why)
        if !Task.isCancelled { tellFailures(before) }
        if let exit, !Task.isCancelled {
            let runs = restart.blames.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
            logger.warning(
                "worker ended",
                metadata: [
                    "model": "\(slots[index].model.name)", "pid": "\(pid)", "exit": "\(exit)",
                    "runs": "\(runs.isEmpty ? "none" : runs)", "restart_seconds": "\(restart.afterSeconds)",
                ])
        }
        for (run, mailbox) in slots[index].mailboxes {
            let blame = slots[index].isKilledForOne ? .innocent : restart.blames[run] ?? .innocent
            mailbox.yield(.workerEnded(exit ?? .status(127), blame))
        }
        slots[index].mailboxes = [:]
        slots[index].isKilledForOne = false
        refuseWaiting(for: slots[index].model.name)
        return restart.afterSeconds
    }

    private func tellFailures(_ before: [String: String]) {
        let after = failures
        guard after != before else { return }
        for (name, why) in after where before[name] == nil {
            logger.error(
                "model failed: none of its workers starts; janusd goes on trying",
                metadata: ["model": "\(name)", "error": "\(why)"])
        }
        failuresChanged.wake()
    }

    /// The worker's own words, where it had some.
    private static func why(_ exit: WorkerExit, lastLine: String?) -> String {
        guard let lastLine, !lastLine.isEmpty else { return "the worker ended with \(exit) before it was ready" }
        let name = "janus-worker: "
        return "the worker ended with \(exit): "
            + (lastLine.hasPrefix(name) ? String(lastLine.dropFirst(name.count)) : lastLine)
    }
}
