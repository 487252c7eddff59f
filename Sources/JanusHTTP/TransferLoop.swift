import CLibCurl
import Glibc

/// The thread that runs all transfers of one client. Nothing in it blocks but `poll`.
struct TransferLoop {
    /// Only a safety net: sockets, libcurl's timers and the mailbox end a wait earlier.
    private static let waitMillisecondsMax: Int32 = 60_000

    private let mailbox: TransferMailbox
    private let configuration: HTTPClientConfiguration

    init(_ mailbox: TransferMailbox, _ configuration: HTTPClientConfiguration) {
        self.mailbox = mailbox
        self.configuration = configuration
    }

    /// Returns when the mailbox closes.
    func run() {
        Self.blockBrokenPipeSignal()
        guard let multi = MultiHandle() else {
            mailbox.end(.unusable(reason: "no memory or no descriptor is left"))
            return
        }
        mailbox.begin(multi.waker)
        var active: [EasyHandle.Identity: Transfer] = [:]
        while true {
            let batch = mailbox.take()
            for order in batch.orders { start(order, on: multi, &active) }
            for ticket in batch.canceled { cancel(ticket, on: multi, &active) }
            if batch.isClosing { break }
            multi.perform()
            while let (easy, result) = multi.nextDone() {
                guard let transfer = active.removeValue(forKey: easy) else { continue }
                multi.remove(transfer.easy)
                transfer.finish(result)
            }
            let wait = endAnswered(on: multi, &active)
            multi.poll(milliseconds: wait)
        }
        for transfer in active.values {
            multi.remove(transfer.easy)
            transfer.fail(.closed)
        }
        mailbox.end(.closed)
    }

    /// Ends transfers whose answer counts by now, whatever is left of its body.
    /// - Returns: milliseconds until the next such end.
    private func endAnswered(
        on multi: borrowing MultiHandle, _ active: inout [EasyHandle.Identity: Transfer]
    ) -> Int32 {
        var wait = Duration.milliseconds(Self.waitMillisecondsMax)
        for (easy, transfer) in active {
            guard let deadline = transfer.bodyDeadline else { continue }
            let left = ContinuousClock.now.duration(to: deadline)
            if left > .zero {
                wait = min(wait, left)
            } else {
                active[easy] = nil
                multi.remove(transfer.easy)
                transfer.finish(nil)
            }
        }
        // rounded up, so that the time is over then
        return Int32(wait / .milliseconds(1)) + 1
    }

    /// OpenSSL writes without MSG_NOSIGNAL: a peer that closes early would end the process. Writes on this thread then
    /// fail with EPIPE, which libcurl reports.
    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private func start(
        _ order: TransferOrder, on multi: borrowing MultiHandle, _ active: inout [EasyHandle.Identity: Transfer]
    ) {
        guard let transfer = Transfer(order, configuration.addresses) else {
            order.continuation.resume(returning: .failure(.unusable(reason: "no memory is left")))
            return
        }
        if let error = transfer.prepare(configuration) {
            transfer.fail(error)
            return
        }
        let code = multi.add(transfer.easy)
        guard code == CURLM_OK else {
            transfer.fail(.unusable(reason: unsafe String(cString: curl_multi_strerror(code))))
            return
        }
        active[transfer.easy.identity] = transfer
    }

    private func cancel(
        _ ticket: TransferTicket, on multi: borrowing MultiHandle, _ active: inout [EasyHandle.Identity: Transfer]
    ) {
        guard let (identity, transfer) = active.first(where: { $0.value.order.ticket == ticket }) else { return }
        active[identity] = nil
        multi.remove(transfer.easy)
        transfer.fail(.canceled(url: transfer.order.request.url.description))
    }
}
