import Foundation
package import JanusHTTP
package import JanusJob

/// Takes a run's objects to its sinks.
package struct Uploader: Sendable {
    /// Waits between the tries of one upload. The run retries by itself, because a retried job would draw again.
    package static let retryDelaysSeconds: [Double] = [0.5, 2, 8]
    /// A server's Retry-After is honoured up to this; a run should not wait longer.
    static let retryAfterSecondsMax: Double = 20
    /// Bytes of an answer that are read; nothing in them is used.
    static let answerBytesMax = 4096

    private let client: HTTPClient
    private let policy: DeliveryPolicy
    private let retryDelaysSeconds: [Double]

    package init(client: HTTPClient, policy: DeliveryPolicy, retryDelaysSeconds: [Double] = Self.retryDelaysSeconds) {
        self.client = client
        self.policy = policy
        self.retryDelaysSeconds = retryDelaysSeconds
    }

    /// Judges the sinks before the work is done: what it refuses, `deliver` would refuse.
    ///
    /// - Parameter objectCount: how many objects the run will have; each needs its own exact URL if there is any.
    /// - Throws: `invalidRequest` or `uploadForbidden`.
    package func check(_ sinks: [String], objectCount: Int) throws(JobError) {
        _ = try UploadPlan(sinks, objectCount: objectCount, policy: policy)
    }

    /// Delivers every object to every sink, or fails as a whole.
    ///
    /// - Parameter sinks: as the row has them (`db:`, `file:///…`, `http(s)://…`); none means `db:`.
    /// - Throws: `invalidRequest` and `uploadForbidden` (403, or a place that policy refuses), never retryable, or
    ///   `uploadFailed`, retryable unless the server's answer is final. A cancelled task gets `internalError`.
    package func deliver(_ objects: [UploadObject], to sinks: [String]) async throws(JobError) -> UploadReceipt {
        let plan = try UploadPlan(sinks, objectCount: objects.count, policy: policy)
        var receipt = UploadReceipt(urls: [], storesInDatabase: plan.storesInDatabase)
        for (position, object) in objects.enumerated() {
            var urls: [String] = []
            for directory in plan.directories {
                urls.append(try await write(object, to: directory))
            }
            for collection in plan.collections {
                urls.append(try await put(object, to: Self.place(of: object, in: collection)))
            }
            if !plan.exact.isEmpty {
                urls.append(try await put(object, to: plan.exact[position]))
            }
            receipt.urls.append(urls)
        }
        return receipt
    }

    private func write(_ object: UploadObject, to directory: UploadPlan.Directory) async throws(JobError) -> String {
        guard let root = policy.fileRoot else { throw JobError(.uploadForbidden, "file sinks are not configured") }
        let components = directory.components + object.name.split(separator: "/").map(String.init)
        try await FileSink(root: root).write(object.data, to: components)
        return "\(directory.url)/\(object.name)"
    }

    private static func place(of object: UploadObject, in collection: HTTPURL) throws(JobError) -> HTTPURL {
        do {
            return try collection.appending(path: object.name)
        } catch {
            throw JobError(.invalidRequest, "upload to \(error)")
        }
    }

    /// PUTs with a bounded number of tries; no try begins later than `uploadSeconds` after the first.
    private func put(_ object: UploadObject, to url: HTTPURL) async throws(JobError) -> String {
        let start = ContinuousClock.now
        var delays = retryDelaysSeconds.makeIterator()
        while true {
            let (failure, wish) = await putOnce(object, to: url)
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
    private func putOnce(_ object: UploadObject, to url: HTTPURL) async -> (JobError?, retryAfterSeconds: Double?) {
        do {
            let response = try await client.send(
                HTTPRequest(
                    .put, url, headers: [HTTPHeader("Content-Type", object.mediaType)], body: object.data,
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
