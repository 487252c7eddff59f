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
    let turnstiles: Turnstiles
    let events: EventSender
    let webhookDue: WakeSignal
    let logger: Logger

    /// A claim with its place in a worker, if it needs one already.
    struct Accepted: Sendable {
        let claim: ClaimedJob
        let events: AsyncStream<RunEvent>
        let mailbox: WorkerPool.Mailbox
        let place: Place

        enum Place: Sendable {
            case taken
            /// The worker ended between the claim and now.
            case gone
            /// When its inputs are there: a slow server holds no place.
            case later
        }
    }

    /// What a claim asks for, read and judged.
    struct Order: Sendable {
        let task: JobTask
        let sinks: UploadPlan
    }

    /// Takes a place for the claim before the next claim is made, so that a host never claims for one place twice.
    func accept(_ claim: ClaimedJob) async -> Accepted {
        let (events, mailbox) = AsyncStream<RunEvent>.makeStream()
        await activeRuns.insert(claim, mailbox: mailbox)
        let place: Accepted.Place
        if claim.imageURLs.isEmpty {
            place = await pool.assign(claim.run, model: claim.model, mailbox: mailbox) ? .taken : .gone
        } else {
            await pool.prepare(claim.run, model: claim.model, owner: claim.owner)
            place = .later
        }
        return Accepted(claim: claim, events: events, mailbox: mailbox, place: place)
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
            switch accepted.place {
            case .taken, .later:
                logger.info("job started", metadata: ["model": "\(claim.model)"])
                end = await course(of: accepted, order)
            case .gone: end = RunEnd(.released(reason: "no free worker"))
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
    private func course(of accepted: Accepted, _ order: Order) async -> RunEnd {
        let (claim, mailbox) = (accepted.claim, accepted.mailbox)
        var machine = RunMachine(runTimeoutSeconds: claim.runTimeoutSeconds, now: BootClock.now)
        var workerHasJob = false
        return await withTaskGroup(of: Void.self, returning: RunEnd.self) { group in
            func start(_ work: @escaping @Sendable () async -> Void) { group.addTask { await work() } }
            start {
                await post(mailbox) { await prepare(accepted) }
            }
            let (progress, narration) = AsyncStream<JobProgress>.makeStream(bufferingPolicy: .bufferingNewest(1))
            start { await self.events.narrate(claim, progress) }
            var end = RunEnd(nil)
            events: for await event in accepted.events {
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

    /// Loads the job's pictures, then takes a place in a worker where it has none yet.
    private func prepare(_ accepted: Accepted) async -> RunEvent {
        let claim = accepted.claim
        do throws(JobError) {
            let inputs = try await fetchedImages(of: claim) + inlineImages(of: claim)
            if case .later = accepted.place {
                guard await pool.place(claim.run, model: claim.model, mailbox: accepted.mailbox) else {
                    return .noWorker
                }
            }
            return .inputsLoaded(.success(inputs))
        } catch {
            return .inputsLoaded(.failure(error))
        }
    }

    private func fetchedImages(of claim: ClaimedJob) async throws(JobError) -> [Data] {
        guard !claim.imageURLs.isEmpty else { return [] }
        let hosts = InputFetcher.hosts(of: claim.imageURLs)
        let fetched = await turnstiles.inputs.withPlace(owner: claim.owner, hosts: hosts) {
            await fetch(claim.imageURLs)
        }
        guard let fetched else { throw JobError(.internalError, "canceled before the inputs were fetched") }
        return try fetched.get()
    }

    private func fetch(_ urls: [String]) async -> Result<[Data], JobError> {
        do throws(JobError) {
            var images: [Data] = []
            for url in urls { images.append(try await delivery.inputs.fetch(url)) }
            return .success(images)
        } catch {
            return .failure(error)
        }
    }

    private func inlineImages(of claim: ClaimedJob) async throws(JobError) -> [Data] {
        guard claim.inlineImageCount > 0 else { return [] }
        do {
            return try await queue.inlineImages(of: claim.run)
        } catch {
            throw JobError(.inputUnavailable, "the job's pictures could not be read from the database: \(error)")
        }
    }

    private func upload(
        _ result: JobResult, to sinks: UploadPlan, of claim: ClaimedJob
    ) async -> Result<JobResult, JobError> {
        if sinks.hosts.isEmpty { return await uploadNow(result, to: sinks, of: claim) }
        return await turnstiles.uploads.withPlace(owner: claim.owner, hosts: sinks.hosts) {
            await uploadNow(result, to: sinks, of: claim)
        } ?? .failure(JobError(.internalError, "canceled before the delivery began"))
    }

    private func uploadNow(
        _ result: JobResult, to sinks: UploadPlan, of claim: ClaimedJob
    ) async -> Result<JobResult, JobError> {
        let names = ObjectNames(jobUUID: claim.uuid, runLease: claim.run.runLease)
        do throws(JobError) {
            let (objects, files) = try delivery.uploader.announcement(of: result.outputs, called: names, by: sinks)
            guard await announce(objects, files, of: claim) else {
                throw JobError(.leaseExpired, "the claim was lost before delivery")
            }
            do throws(JobError) {
                var result = result
                result.outputs = try await delivery.uploader.deliver(result.outputs, called: names, by: sinks)
                // a host that was asleep meanwhile learns only now that it has lost the claim, and was swept
                if !files.isEmpty, await !leaseStands(for: claim.run) {
                    throw JobError(.leaseExpired, "the claim was lost during delivery")
                }
                return .success(result)
            } catch {
                await withdraw(files, of: claim)
                throw error
            }
        } catch {
            return .failure(error)
        }
    }

    /// Has it written down what is about to be uploaded, however long the database is away.
    /// - Returns: false when the claim is lost or the task is cancelled.
    private func announce(_ objects: [String], _ files: [String], of claim: ClaimedJob) async -> Bool {
        while await leaseStands(for: claim.run) {
            if objects.isEmpty, files.isEmpty { return true }
            do {
                return try await queue.announceUploads(of: claim, objects: objects, files: files)
            } catch {
                logger.warning("uploads not announced yet", metadata: ["job": "\(claim.run.job)", "error": "\(error)"])
                await pause(seconds: Self.finishRetrySeconds)
            }
        }
        return false
    }

    /// Removes the files of a delivery that failed or was stopped; `OrphanSweep` does it for hosts that died.
    private func withdraw(_ files: [String], of claim: ClaimedJob) async {
        for file in files {
            do {
                try await delivery.uploader.remove(file)
            } catch {
                logger.debug("left for the sweep", metadata: ["job": "\(claim.run.job)", "error": "\(error)"])
            }
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
