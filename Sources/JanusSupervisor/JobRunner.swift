import Foundation
import JanusDelivery
import JanusJob
import JanusQueue
import JanusWire
import Logging

/// Carries one claim from its row to its recorded outcome. `RunMachine` decides, this acts.
struct JobRunner: Sendable {
    /// Between tries of a finish that the database did not answer.
    private static let finishRetrySeconds = 1.0

    let queue: JobQueue
    let pool: WorkerPool
    let activeRuns: ActiveRuns
    let lease: HostLease
    let delivery: Delivery
    let events: EventSender
    let webhookDue: WakeSignal
    let logger: Logger

    /// A claim with its worker, if one was still free.
    struct Accepted: Sendable {
        let claim: ClaimedJob
        let events: AsyncStream<RunEvent>
        let mailbox: WorkerPool.Mailbox
        let hasWorker: Bool
    }

    /// What a claim asks for, read and judged.
    struct Order: Sendable {
        let task: JobTask
        let sinks: UploadPlan
    }

    /// Takes a worker for the claim before the next claim is made, so that a host never claims one worker's work twice.
    func accept(_ claim: ClaimedJob) async -> Accepted {
        let (events, mailbox) = AsyncStream<RunEvent>.makeStream()
        await activeRuns.insert(claim, mailbox: mailbox)
        let hasWorker = await pool.assign(claim.run, model: claim.model, mailbox: mailbox)
        return Accepted(claim: claim, events: events, mailbox: mailbox, hasWorker: hasWorker)
    }

    func run(_ accepted: Accepted) async {
        let claim = accepted.claim
        var logger = logger
        logger[metadataKey: "job"] = "\(claim.run.job)"
        logger[metadataKey: "attempt"] = "\(claim.attempt)"
        let end: RunEnd
        do throws(JobError) {
            let order = try judge(claim)
            logger[metadataKey: "kind"] = "\(order.task.kind.rawValue)"
            if accepted.hasWorker {
                logger.info("job started", metadata: ["model": "\(claim.model)"])
                end = await course(of: claim, order, events: accepted.events, mailbox: accepted.mailbox)
            } else {
                // the worker ended between the claim and now
                end = RunEnd(.released(reason: "no free worker"))
            }
        } catch {
            await pool.release(claim.run)
            end = RunEnd(.failed(error))
        }
        if let outcome = end.outcome {
            await record(outcome, of: claim, isSuspect: end.isSuspect, logger: logger)
        } else {
            logger.warning("claim lost: the work is thrown away")
        }
        await activeRuns.remove(claim.run)
    }

    /// - Throws: what is wrong with the row's task or sinks; nothing has been done for the job then.
    private func judge(_ claim: ClaimedJob) throws(JobError) -> Order {
        let task = try claim.task.get()
        return Order(
            task: task, sinks: try delivery.uploader.plan(claim.uploadTo, outputCount: task.outputCount))
    }

    /// Feeds the machine until it says how the run ends.
    private func course(
        of claim: ClaimedJob, _ order: Order, events stream: AsyncStream<RunEvent>, mailbox: WorkerPool.Mailbox
    ) async -> RunEnd {
        var machine = RunMachine(runTimeoutSeconds: claim.runTimeoutSeconds, now: BootClock.now)
        var workerHasJob = false
        return await withTaskGroup(of: Void.self, returning: RunEnd.self) { group in
            func start(_ work: @escaping @Sendable () async -> Void) { group.addTask { await work() } }
            start {
                await post(mailbox) { .inputsLoaded(await loadInputs(of: claim)) }
            }
            let (progress, narration) = AsyncStream<JobProgress>.makeStream(bufferingPolicy: .bufferingNewest(1))
            start { await self.events.narrate(claim, progress) }
            var end = RunEnd(nil)
            events: for await event in stream {
                for action in machine.handle(event, now: BootClock.now) {
                    switch action {
                    case .startWorker(let inputs):
                        workerHasJob = true
                        await begin(claim, order.task, inputs: inputs)
                    case .report(let progress):
                        await activeRuns.report(progress, of: claim.run)
                        narration.yield(progress)
                    case .cancelWorker: await pool.cancel(claim.run)
                    case .killWorker(let sparesOthers): await pool.kill(claim.run, sparesOthers: sparesOthers)
                    case .cancelActivity: group.cancelAll()
                    case .upload(let result):
                        await activeRuns.enter(.delivering, claim.run)
                        start {
                            await post(mailbox) { .uploaded(await upload(result, to: order.sinks, of: claim)) }
                        }
                    case .end(let last):
                        end = last
                        break events
                    }
                }
            }
            group.cancelAll()
            if !workerHasJob { await pool.release(claim.run) }
            return end
        }
    }

    private func post(_ mailbox: WorkerPool.Mailbox, _ work: () async -> RunEvent) async {
        mailbox.yield(await work())
    }

    private func begin(_ claim: ClaimedJob, _ task: JobTask, inputs: [Data]) async {
        let start = JobStart(
            run: claim.run, task: task, inputCount: inputs.count, isAlone: claim.isSuspect)
        await pool.begin(start, inputs: inputs)
    }

    /// The job's pictures, the fetched ones first.
    private func loadInputs(of claim: ClaimedJob) async -> Result<[Data], JobError> {
        do throws(JobError) {
            var inputs: [Data] = []
            for url in claim.imageURLs { inputs.append(try await delivery.inputs.fetch(url)) }
            if claim.inlineImageCount > 0 { inputs += try await inlineImages(of: claim) }
            return .success(inputs)
        } catch {
            return .failure(error)
        }
    }

    private func inlineImages(of claim: ClaimedJob) async throws(JobError) -> [Data] {
        do {
            return try await queue.inlineImages(of: claim.run)
        } catch {
            throw JobError(.inputUnavailable, "the job's pictures could not be read from the database: \(error)")
        }
    }

    private func upload(
        _ result: JobResult, to sinks: UploadPlan, of claim: ClaimedJob
    ) async -> Result<JobResult, JobError> {
        guard await leaseStands(for: claim.run) else {
            return .failure(JobError(.leaseExpired, "the claim was lost before delivery"))
        }
        do throws(JobError) {
            var result = result
            result.outputs = try await delivery.uploader.deliver(
                result.outputs, called: ObjectNames(jobUUID: claim.uuid, runLease: claim.run.runLease), by: sinks)
            return .success(result)
        } catch {
            return .failure(error)
        }
    }

    /// Records the outcome, however long the database is away, unless the claim is lost.
    ///
    /// `JobQueue.finish` proves by the claim token whether an unanswered commit took place, so repeating is safe.
    private func record(
        _ outcome: JobOutcome, of claim: ClaimedJob, isSuspect: Bool, logger: Logger
    ) async {
        while !Task.isCancelled, await leaseStands(for: claim.run) {
            do {
                let receipt = try await queue.finish(claim, outcome, isSuspect: isSuspect)
                switch receipt {
                case .recorded(let state), .alreadyRecorded(let state):
                    logger.info("job ended", metadata: outcome.metadata(state))
                    webhookDue.wake()
                case .lost: logger.warning("claim lost: the work is thrown away")
                }
                return
            } catch {
                logger.warning("outcome not recorded yet", metadata: ["error": "\(error)"])
                await pause(seconds: Self.finishRetrySeconds)
            }
        }
        logger.warning("outcome not recorded: the claim was lost, or the host stops before the database answers")
    }

    /// Waits until this host's lease stands by its own clock, renewing going on elsewhere.
    /// - Returns: false when the claim is lost or the task is cancelled.
    private func leaseStands(for run: JobRun) async -> Bool {
        while !Task.isCancelled {
            if await activeRuns.isLost(run) { return false }
            if lease.isValid(now: BootClock.now) { return true }
            await pause(seconds: 0.2)
        }
        return false
    }
}

extension JobOutcome {
    /// For the log: never prompts or URLs.
    fileprivate func metadata(_ state: JobState) -> Logger.Metadata {
        switch self {
        case .succeeded(let result):
            [
                "state": "\(state.rawValue)", "outputs": "\(result.outputs.count)",
                "output_tokens": "\(result.completion.usage.outputTokens)",
            ]
        case .failed(let error): ["state": "\(state.rawValue)", "code": "\(error.code.rawValue)"]
        case .canceled: ["state": "\(state.rawValue)"]
        case .released(let reason): ["state": "\(state.rawValue)", "reason": "\(reason)"]
        }
    }
}
