import JanusDelivery
import JanusSupervisor
import Testing

@Suite struct TransferLimitsTests {
    private let rest = TransferLimits.Rest(workers: 1, threadsOfWorker: 2, databaseConnections: 7, cores: 2)

    @Test("with room enough everything is as asked for")
    func ample() throws {
        let limits = try TransferLimits(
            DeliveryPolicy(), inputs: 16, limits: ProcessLimits(descriptors: 16_384, tasks: 4915), rest: rest)
        let unbounded = try TransferLimits(
            DeliveryPolicy(), inputs: 16, limits: ProcessLimits(descriptors: 16_384, tasks: nil), rest: rest)
        #expect(limits == unbounded)
        #expect(limits.uploads == 64 && limits.webhooks == 64 && limits.inputs == 16)
    }

    @Test(
        "all that can be under way at once needs no more than four fifths of the limits",
        arguments: [160, 256, 512, 1024], [120, 200, 400])
    func fits(descriptors: Int, tasks: Int) throws {
        let limits = try TransferLimits(
            DeliveryPolicy(), inputs: 16, limits: ProcessLimits(descriptors: descriptors, tasks: tasks), rest: rest)
        let sum = limits.uploads + limits.webhooks + limits.inputs
        #expect(rest.descriptors + 3 * sum <= descriptors * 4 / 5)
        #expect(rest.tasks + sum <= tasks * 4 / 5)
        #expect([limits.uploads, limits.webhooks, limits.inputs].allSatisfy { $0 >= 4 })
    }

    @Test("a limit that leaves no room is an error that names it and its value")
    func tooSmall() throws {
        for (limits, says) in [
            (ProcessLimits(descriptors: 64, tasks: nil), "RLIMIT_NOFILE, 64,"),
            (ProcessLimits(descriptors: 4096, tasks: 30), "TasksMax, 30,"),
        ] {
            let error = #expect(throws: SupervisorError.self) {
                try TransferLimits(DeliveryPolicy(), inputs: 16, limits: limits, rest: rest)
            }
            #expect(error?.description.contains(says) == true, "\(String(describing: error))")
        }
    }

    @Test("the least limit of the control groups and those above them counts", arguments: ["", "/pids"])
    func tasks(version: String) {
        let groups =
            version.isEmpty ? "12:cpu:/old\n0::/a.slice/b\n" : "0::/\n8:cpu,pids:/a.slice/b\n1:name=systemd:/c\n"
        let home = "/sys/fs/cgroup" + version
        func limit(_ files: [String: String]) -> Int? { ProcessLimits.tasks(groups: groups) { files[$0] } }
        #expect(limit([home + "/a.slice/b/pids.max": "400\n", home + "/a.slice/pids.max": "max\n"]) == 400)
        #expect(limit([home + "/a.slice/b/pids.max": "400\n", home + "/a.slice/pids.max": "300\n"]) == 300)
        // a container sees its own group as the root
        #expect(limit([home + "/pids.max": "64\n", home + "/a.slice/pids.max": "300\n"]) == 64)
        #expect(limit(["/sys/fs/cgroup/old/pids.max": "5\n"]) == nil)
        #expect(limit([:]) == nil)
        #expect(ProcessLimits.tasks(groups: "") { _ in "5" } == nil)
    }
}
