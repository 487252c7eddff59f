import Synchronization

/// Polls `condition` until it holds.
/// - Parameter seconds: generous: it only passes when something is wrong.
package func waitUntil(
    _ what: String, seconds: Double = 60, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now.advanced(by: .seconds(seconds))
    while try await !condition() {
        guard ContinuousClock.now < end else { throw WaitingError("\(seconds) s passed before \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

package struct WaitingError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Something that is made once, by whoever asks first; the others wait for it.
final class Once<Value: Sendable>: Sendable {
    private let make: @Sendable () async throws -> Value
    private let task = Mutex<Task<Value, any Error>?>(nil)

    init(_ make: @escaping @Sendable () async throws -> Value) { self.make = make }

    func get() async throws -> Value {
        let making = task.withLock { task in
            if let task { return task }
            let make = make
            let new = Task { try await make() }
            task = new
            return new
        }
        return try await making.value
    }
}
