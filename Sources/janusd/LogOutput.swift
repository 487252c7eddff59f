import Foundation

/// Where log lines go: standard error, written by a thread of its own, so that whoever logs never waits. A line that finds no room
/// since the reader has stopped reading, and one that cannot be written (a full disk, a reader that went away), is lost
/// and counted; the next one that can be written is preceded by how many were.
final class LogOutput: @unchecked Sendable {
    // @unchecked: everything below `condition` is touched only while it is locked.
    static let linesMax = 2000
    static let bytesMax = 4 << 20

    private let descriptor: Int32
    /// The line that says how many were lost.
    private let lossLine: @Sendable (_ lost: Int) -> String
    private let condition = NSCondition()
    private var lines: [Data] = []
    private var bytes = 0
    private var isWriting = false
    private var lostNow = 0
    private var lostInAll = 0
    /// A line was begun and not ended; only the thread touches it.
    private var isTorn = false

    init(_ descriptor: Int32, lossLine: @escaping @Sendable (_ lost: Int) -> String) {
        self.descriptor = descriptor
        self.lossLine = lossLine
        let thread = Thread { [self] in
            while true { writeNext() }
        }
        thread.name = "log"
        thread.start()
    }

    /// Lines lost since the start.
    var lost: Int { condition.withLock { lostInAll } }

    /// - Parameter line: without its end.
    func write(_ line: String) {
        let data = Data((line + "\n").utf8)
        condition.lock()
        defer { condition.unlock() }
        guard lines.count < Self.linesMax, bytes + data.count <= Self.bytesMax else { return lose() }
        lines.append(data)
        bytes += data.count
        condition.broadcast()
    }

    /// Returns when everything is written or lost, or after `seconds`.
    func flush(seconds: Double) {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while isWriting || !lines.isEmpty {
            guard condition.wait(until: end) else { return }
        }
    }

    /// - Precondition: `condition` is locked.
    private func lose() {
        lostNow += 1
        lostInAll += 1
    }

    private func writeNext() {
        condition.lock()
        while lines.isEmpty { condition.wait() }
        let line = lines.removeFirst()
        bytes -= line.count
        isWriting = true
        let lost = lostNow
        condition.unlock()

        let isLossSaid = lost > 0 && put(Data((lossLine(lost) + "\n").utf8))
        let isWritten = (lost == 0 || isLossSaid) && put(line)

        condition.lock()
        if isLossSaid { lostNow -= lost }
        if !isWritten { lose() }
        isWriting = false
        condition.broadcast()
        condition.unlock()
    }

    /// One write a line, so that lines of several processes do not mix.
    /// - Returns: false for a line that is not, or not wholly, written.
    private func put(_ line: Data) -> Bool {
        var rest = (isTorn ? Data("\n".utf8) + line : line)[...]
        let count = rest.count
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if written < 0, errno == EAGAIN {
                // another process that has it made it so: this thread may wait
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&entry, 1, -1)
            } else if written == 0 || errno != EINTR {
                isTorn = isTorn || rest.count < count
                return false
            }
        }
        isTorn = false
        return true
    }
}
