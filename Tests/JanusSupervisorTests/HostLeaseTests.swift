import Foundation
import JanusJob
import JanusQueue
import TestSupport
import Testing

import JanusSupervisor

@Suite struct HostLeaseTests {
    @Test("a lease stands for its seconds after the sending of the last confirmed renewal")
    func validity() {
        let lease = HostLease(seconds: 30)
        #expect(!lease.isValid(now: 0))
        lease.renewed(renewal(sent: 100))
        #expect(lease.isValid(now: 129.9))
        #expect(!lease.isValid(now: 130))
    }

    @Test("a host that lost the database claims nothing although its lease still stands")
    func disconnected() {
        let lease = HostLease(seconds: 30)
        lease.renewed(renewal(sent: 100))
        #expect(lease.mayClaim(now: 101))
        lease.disconnected()
        #expect(!lease.mayClaim(now: 101))
        #expect(lease.isValid(now: 101))
    }

    /// A renewal answered at once by a server that has run for long.
    private func renewal(
        sent: Double, received: Double? = nil, serverNow: Date = Date(), serverAgeSeconds: Double = 1_000_000
    ) -> HostLease.Renewal {
        HostLease.Renewal(
            sent: sent, received: received ?? sent, serverNow: serverNow, serverAgeSeconds: serverAgeSeconds)
    }

    @Test("others are rescued only one full lease after one's own reconnection")
    func rescue() {
        let lease = HostLease(seconds: 30)
        lease.renewed(renewal(sent: 100))
        lease.renewed(renewal(sent: 120))
        #expect(!lease.mayRescue(now: 129))
        #expect(lease.mayRescue(now: 131))
        lease.disconnected()
        lease.renewed(renewal(sent: 140))
        #expect(!lease.mayRescue(now: 141))
    }

    @Test("others are rescued only one full lease after the server's start, though this host noticed no outage")
    func serverStart() {
        let lease = HostLease(seconds: 30)
        lease.renewed(renewal(sent: 0))
        lease.renewed(renewal(sent: 100, received: 101, serverAgeSeconds: 2))
        #expect(!lease.mayRescue(now: 101) && !lease.mayRescue(now: 128.9))
        #expect(lease.mayRescue(now: 129))
    }

    @Test("a slow reply makes neither the lease longer nor the server older")
    func slowReply() {
        let lease = HostLease(seconds: 30)
        lease.renewed(renewal(sent: 0))
        lease.renewed(renewal(sent: 100, received: 110, serverAgeSeconds: 25))
        #expect(lease.isValid(now: 129.9) && !lease.isValid(now: 130))
        #expect(!lease.mayRescue(now: 114.9) && lease.mayRescue(now: 115))
    }

    @Test("a server's restart between two renewals is noticed by its age")
    func serverRestart() async throws {
        let server = try await TestPostgres.start()
        defer { server.stop() }
        let database = try await server.makeDatabase()
        let queue = try JobQueue(
            dsn: database.daemonDSN,
            options: QueueOptions(
                hostName: "host", leaseSeconds: 30, statementSeconds: 30,
                retry: RetryRule(firstDelaySeconds: 0, delaySecondsMax: 0)))
        let before = try await queue.renew([])
        try await server.restart()
        var after = before
        try await waitUntil("the queue has a connection again") {
            do { after = try await queue.renew([]) } catch let error as QueueError where error.isConnectionFailure {
                return false
            }
            return true
        }
        try #require(after.serverAgeSeconds < before.serverAgeSeconds)

        // between both ages, so that the one server is old enough and the other is not
        let lease = HostLease(seconds: (before.serverAgeSeconds + after.serverAgeSeconds) / 2)
        func renew(_ reply: RenewReply, at now: Double) {
            lease.renewed(renewal(sent: now, serverNow: reply.serverNow, serverAgeSeconds: reply.serverAgeSeconds))
        }
        renew(before, at: 0)
        renew(before, at: 1000)
        #expect(lease.mayRescue(now: 1000))
        renew(after, at: 1001)
        #expect(!lease.mayRescue(now: 1001))
    }

    @Test("the database's clock is kept as an offset")
    func clock() {
        let lease = HostLease(seconds: 30)
        lease.renewed(renewal(sent: 0, serverNow: Date(timeIntervalSinceNow: 3600)))
        #expect(abs(lease.databaseNow.timeIntervalSinceNow - 3600) < 5)
    }
}
