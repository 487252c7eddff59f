import Foundation
import JanusHTTP
package import JanusJob

/// Takes a run's outputs to its sinks.
package struct Uploader: Sendable {
    /// Waits between the tries of one upload. The run retries by itself, because a retried job would draw again.
    package static let retryDelaysSeconds: [Double] = [0.5, 2, 8]
    /// A server's Retry-After is honoured up to this; a run should not wait longer.
    static let retryAfterSecondsMax: Double = 20
    /// Bytes of an answer that are read; nothing in them is used.
    static let answerBytesMax = 4096

    private let route: DeliveryRoute
    private var client: HTTPClient { route.client }
    private var policy: DeliveryPolicy { route.policy }
    private let retryDelaysSeconds: [Double]

    package init(_ route: DeliveryRoute, retryDelaysSeconds: [Double] = Self.retryDelaysSeconds) {
        self.route = route
        self.retryDelaysSeconds = retryDelaysSeconds
    }

    /// Judges a job's sinks, before any work is done for it.
    ///
    /// - Parameters:
    ///   - sinks: as the row has them (`db:`, `file:///…`, `http(s)://…`); none means `db:`.
    ///   - outputCount: how many outputs the run will have; each needs its own exact URL if there is any.
    /// - Throws: `invalidRequest` or `uploadForbidden`.
    package func plan(_ sinks: [String], outputCount: Int) throws(JobError) -> UploadPlan {
        try UploadPlan(sinks, outputCount: outputCount, policy: policy)
    }

    /// What `deliver` is about to write: objects of collections, and files. Exact URLs are the client's own.
    package func announcement(
        of outputs: [JobOutput], called names: ObjectNames, by plan: UploadPlan
    ) throws(JobError) -> (objects: [String], files: [String]) {
        var objects: [String] = []
        var files: [String] = []
        for name in outputs.map({ names[$0] }) {
            for collection in plan.collections { objects.append(try Self.place(of: name, in: collection).description) }
            files += plan.directories.map { "\($0.url)/\(name)" }
        }
        return (objects, files)
    }

    /// Removes a file that `deliver` wrote, or began to; one that is not there is no fault.
    /// - Parameter url: as announced.
    package func remove(_ url: String) async throws(JobError) {
        guard case .directory(let path) = try Sink.parse(url) else {
            throw JobError(.invalidRequest, "only files are removed")
        }
        let directory = try UploadPlan.directory(path, url: url, policy)
        try await FileSink(root: directory.root).remove(directory.components)
    }

    /// Delivers every output to every sink, or fails as a whole.
    ///
    /// - Returns: the outputs with their places.
    /// - Throws: `uploadForbidden` (403, or an address that policy refuses), never retryable, or `uploadFailed`,
    ///   retryable unless the server's answer is final; `internalError` for other outputs than those the plan is for.
    ///   A cancelled task gets `internalError`.
    package func deliver(
        _ outputs: [JobOutput], called names: ObjectNames, by plan: UploadPlan
    ) async throws(JobError) -> [JobOutput] {
        guard outputs.map(\.index) == Array(0..<plan.outputCount) else {
            throw JobError(
                .internalError, "the worker gave outputs \(outputs.map(\.index)), the job has \(plan.outputCount)")
        }
        var delivered = outputs
        for index in delivered.indices {
            let output = outputs[index]
            let name = names[output]
            for directory in plan.directories {
                delivered[index].urls.append(try await write(output, as: name, to: directory))
            }
            for collection in plan.collections {
                delivered[index].urls.append(try await put(output, to: Self.place(of: name, in: collection)))
            }
            if !plan.exact.isEmpty {
                delivered[index].urls.append(try await put(output, to: plan.exact[index]))
            }
            delivered[index].isStored = plan.storesInDatabase
        }
        return delivered
    }

    private func write(
        _ output: JobOutput, as name: String, to directory: UploadPlan.Directory
    ) async throws(JobError) -> String {
        let components = directory.components + name.split(separator: "/").map(String.init)
        try await FileSink(root: directory.root).write(output.data, to: components)
        return "\(directory.url)/\(name)"
    }

    private static func place(of name: String, in collection: HTTPURL) throws(JobError) -> HTTPURL {
        do {
            return try collection.appending(path: name)
        } catch {
            throw JobError(.invalidRequest, "upload to \(error)")
        }
    }

    /// PUTs with a bounded number of tries; no try begins later than `uploadSeconds` after the first.
    private func put(_ output: JobOutput, to url: HTTPURL) async throws(JobError) -> String {
        let start = ContinuousClock.now
        var delays = retryDelaysSeconds.makeIterator()
        while true {
            let (failure, wish) = await putOnce(output, to: url)
            guard let failure else { return url.description }
            guard failure.code == .uploadFailed, failure.retryable, let delay = delays.next() else { throw failure }
            let wait = max(delay, min(wish ?? 0, Self.retryAfterSecondsMax))
            guard ContinuousClock.now + .seconds(wait) < start + .seconds(policy.uploadSeconds) else { throw failure }
            do {
                try await Task.sleep(for: .seconds(wait))
            } catch {
                throw JobError(.internalError, "upload to \(url): canceled")
            }
        }
    }

    /// One try: nil when it succeeded, else why not and how long the server wants us to wait.
    private func putOnce(_ output: JobOutput, to url: HTTPURL) async -> (JobError?, retryAfterSeconds: Double?) {
        do {
            let response = try await client.send(
                HTTPRequest(
                    .put, url, headers: [HTTPHeader("Content-Type", output.format.mediaType)], body: output.data,
                    bodyLimit: .cut(atBytes: Self.answerBytesMax),
                    deadlines: HTTPDeadlines(totalSeconds: policy.uploadSeconds)))
            if response.isSuccess { return (nil, nil) }
            return (Self.jobError(response, url), response.retryAfterSeconds(now: Date()))
        } catch {
            return (Self.jobError(error), nil)
        }
    }

    private static func jobError(_ response: HTTPResponse, _ url: HTTPURL) -> JobError {
        let message = "upload to \(url): the server answered \(response.status)"
        if response.status == 403 { return JobError(.uploadForbidden, message) }
        let hint = response.isRedirect ? "; redirects are not followed, give the final URL" : ""
        return JobError(.uploadFailed, message + hint, retryable: response.isTransient)
    }

    private static func jobError(_ error: HTTPError) -> JobError {
        let message = "upload to \(error)"
        return switch error {
        case .invalidURL: JobError(.invalidRequest, message)
        case .forbiddenScheme, .forbiddenAddress: JobError(.uploadForbidden, message)
        case .unresolvable, .unreachable, .insecure, .timedOut, .tooLarge, .interrupted:
            JobError(.uploadFailed, message)
        case .invalidHeader, .canceled, .closed, .unusable: JobError(.internalError, message)
        }
    }
}
