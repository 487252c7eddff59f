import CLibCurl

/// What the process does once for libcurl.
enum LibCurl {
    static let isReady = janus_curl_global_init() == CURLE_OK
}

/// One multi handle; all but `waker` belongs to the thread that made it.
@safe struct MultiHandle: ~Copyable {
    /// Idle connections that are kept for later transfers.
    private static let idleConnectionsMax = 16

    private let pointer: OpaquePointer

    /// nil when there is no memory or no descriptor left.
    init?() {
        guard let pointer = unsafe curl_multi_init() else { return nil }
        unsafe self.pointer = pointer
        _ = unsafe janus_curl_multi_set_long(pointer, CURLMOPT_MAXCONNECTS, Self.idleConnectionsMax)
    }

    deinit { _ = unsafe curl_multi_cleanup(pointer) }

    var waker: MultiWaker { unsafe MultiWaker(pointer) }

    func add(_ easy: borrowing EasyHandle) -> CURLMcode { unsafe curl_multi_add_handle(pointer, easy.pointer) }

    func remove(_ easy: borrowing EasyHandle) { _ = unsafe curl_multi_remove_handle(pointer, easy.pointer) }

    func perform() {
        var running: Int32 = 0
        _ = unsafe curl_multi_perform(pointer, &running)
    }

    /// Waits for a socket, a timer of libcurl's, a wake-up or the time to pass.
    func poll(milliseconds: Int32) { _ = unsafe curl_multi_poll(pointer, nil, 0, milliseconds, nil) }

    /// The next transfer that ended since the last `perform`.
    func nextDone() -> (easy: EasyHandle.Identity, result: CURLcode)? {
        var easy: OpaquePointer?
        var result = CURLE_OK
        guard unsafe janus_curl_multi_next_done(pointer, &easy, &result) == 1, let easy = unsafe easy else {
            return nil
        }
        return (unsafe EasyHandle.Identity(easy), result)
    }
}

/// Ends a `poll` of the multi handle early, from any thread.
///
/// `curl_multi_wakeup` is the one function of a multi handle that other threads may call; `TransferMailbox` drops the
/// waker, under its lock, before the handle is freed.
@safe struct MultiWaker: @unchecked Sendable {
    private let pointer: OpaquePointer

    fileprivate init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    func wake() { _ = unsafe curl_multi_wakeup(pointer) }
}
