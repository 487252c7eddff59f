import Glibc

/// Writes to standard error what can be written now. A reader that went away, a full disk or a full pipe loses it: whoever
/// writes here has something better to do than to wait or to end.
package func writeToStandardError(_ text: String) {
    var descriptor = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty, unsafe poll(&descriptor, 1, 0) > 0 {
        // a pipe that has room has it for so many
        let part = bytes.prefix(Int(PIPE_BUF))
        let count = unsafe part.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
        guard count > 0 || errno == EINTR else { return }
        bytes = bytes.dropFirst(max(count, 0))
    }
}
