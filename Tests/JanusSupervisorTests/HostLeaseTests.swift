import Foundation
import Testing

import JanusSupervisor

@Suite struct HostLeaseTests {
    @Test("a lease stands for its seconds after the sending of the last confirmed renewal")
    func validity() {
        let lease = HostLease(seconds: 30)
        #expect(!lease.isValid(now: 0))
        lease.renewed(sent: 100, serverNow: Date())
        #expect(lease.isValid(now: 129.9))
        #expect(!lease.isValid(now: 130))
    }

    @Test("a host that lost the database claims nothing although its lease still stands")
    func disconnected() {
        let lease = HostLease(seconds: 30)
        lease.renewed(sent: 100, serverNow: Date())
        #expect(lease.mayClaim(now: 101))
        lease.disconnected()
        #expect(!lease.mayClaim(now: 101))
        #expect(lease.isValid(now: 101))
    }

    @Test("others are rescued only one full lease after one's own reconnection")
    func rescue() {
        let lease = HostLease(seconds: 30)
        lease.renewed(sent: 100, serverNow: Date())
        lease.renewed(sent: 120, serverNow: Date())
        #expect(!lease.mayRescue(now: 129))
        #expect(lease.mayRescue(now: 131))
        lease.disconnected()
        lease.renewed(sent: 140, serverNow: Date())
        #expect(!lease.mayRescue(now: 141))
    }

    @Test("the database's clock is kept as an offset")
    func clock() {
        let lease = HostLease(seconds: 30)
        lease.renewed(sent: 0, serverNow: Date(timeIntervalSinceNow: 3600))
        #expect(abs(lease.databaseNow.timeIntervalSinceNow - 3600) < 5)
    }
}
