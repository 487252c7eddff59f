import Foundation
import JanusJob
import JanusWire
import Logging

/// The worker processes of this host and the runs they hold. `SlotState` decides, this acts.
actor WorkerPool {
    private struct Slot {
        var model: SupervisorConfiguration.Model
        var state = SlotState.down(failures: 0)
        var process: WorkerProcess?
        var mailbox: Mailbox?
    }

    /// Where the events of one run go.
    typealias Mailbox = AsyncStream<RunEvent>.Continuation

    private var slots: [Slot]
    private let idle: Wake
    private let logger: Logger

    /// - Parameter idle: woken whenever a worker becomes free.
    init(models: [SupervisorConfiguration.Model], idle: Wake, logger: Logger) {
        self.slots = models.flatMap { model in Array(repeating: Slot(model: model), count: model.workers) }
        self.idle = idle
        self.logger = logger
    }

    /// Keeps every slot filled with a living process until the task is cancelled; then ends them.
    func run() async {
        await withDiscardingTaskGroup { group in
            for index in slots.indices { group.addTask { await self.keep(index) } }
        }
    }

    /// Free workers of a model.
    func idleCount(of model: String) -> Int {
        slots.count { slot in
            guard slot.model.name == model, case .idle = slot.state else { return false }
            return true
        }
    }

    /// Free and busy workers of all models, for the service manager's status line.
    var counts: (idle: Int, busy: Int, all: Int) {
        var counts = (idle: 0, busy: 0, all: slots.count)
        for slot in slots {
            switch slot.state {
            case .idle: counts.idle += 1
            case .busy: counts.busy += 1
            case .starting, .down: break
            }
        }
        return counts
    }

    /// Takes a free worker for a run; false when there is none.
    func assign(_ run: JobRun, model: String, mailbox: Mailbox) -> Bool {
        for index in slots.indices where slots[index].model.name == model {
            guard slots[index].state.assign(run) else { continue }
            slots[index].mailbox = mailbox
            return true
        }
        return false
    }

    /// Frees a worker whose run ended before anything was sent to it.
    func release(_ run: JobRun) {
        guard let index = index(of: run) else { return }
        slots[index].state.release()
        slots[index].mailbox = nil
        idle.wake()
    }

    func send(_ message: SupervisorMessage, for run: JobRun) {
        guard let index = index(of: run) else { return }
        slots[index].process?.send(message)
    }

    func kill(_ run: JobRun) {
        guard let index = index(of: run) else { return }
        slots[index].process?.kill()
    }

    private func index(of run: JobRun) -> Int? {
        slots.firstIndex { slot in
            guard case .busy(run, _) = slot.state else { return false }
            return true
        }
    }

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
            process = try await WorkerProcess.start(model.worker)
        } catch {
            logger.error("worker not started", metadata: ["model": "\(model.name)", "error": "\(error)"])
            return ended(index, describe: nil)
        }
        slots[index].process = process
        logger.info("worker started", metadata: ["model": "\(model.name)", "pid": "\(process.pid)"])
        // not a child task: after a cancellation the process is still to be watched to its end and reaped
        let life = Task { () -> WorkerExit in
            for await event in process.events {
                switch event {
                case .message(let message): receive(message, at: index)
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
        return ended(index, describe: exit)
    }

    private func receive(_ message: WorkerMessage, at index: Int) {
        switch slots[index].state.receive(message) {
        case .nothing, .restart: break
        case .announceIdle:
            if case .ready(let ready) = message {
                logger.info(
                    "worker ready",
                    metadata: ["model": "\(slots[index].model.name)", "summary": "\(ready.summary)"])
            }
            idle.wake()
        case .deliver(let message, _, let thenIdle):
            slots[index].mailbox?.yield(.worker(message))
            guard thenIdle else { return }
            slots[index].mailbox = nil
            idle.wake()
        case .kill(let reason):
            logger.error("worker killed", metadata: ["pid": "\(slots[index].process?.pid ?? 0)", "error": "\(reason)"])
            slots[index].process?.kill()
        }
    }

    private func ended(_ index: Int, describe exit: WorkerExit?) -> Double {
        let pid = slots[index].process?.pid ?? 0
        slots[index].process = nil
        guard case .restart(let seconds, let run) = slots[index].state.ended() else { return 0 }
        if let exit, !Task.isCancelled {
            logger.warning(
                "worker ended",
                metadata: [
                    "model": "\(slots[index].model.name)", "pid": "\(pid)", "exit": "\(exit)",
                    "run": "\(run.map { "\($0)" } ?? "none")", "restart_seconds": "\(seconds)",
                ])
        }
        slots[index].mailbox?.yield(.workerEnded(exit ?? .status(127)))
        slots[index].mailbox = nil
        return seconds
    }
}
