import Foundation
import JanusDelivery
import JanusHTTP
import JanusJob
import TestSupport
import Testing

/// What a reload changes of deliveries.
@Suite("the route of deliveries")
struct DeliveryRouteTests {
    private func policy(caFile: URL?, inputSeconds: Double = 30) -> DeliveryPolicy {
        var policy = localPolicy()
        policy.caFile = caFile?.path
        policy.inputSeconds = inputSeconds
        return policy
    }

    @Test("another CA file holds at once, whatever connections are open, and so does another content of the same")
    func authorities() async throws {
        let (known, other) = (try TestCertificate(), try TestCertificate())
        let receiver = try await HTTPReceiver.start(tls: (known.certificate, known.key))
        let delivery = try Delivery(policy(caFile: known.certificate))
        func fetch() async throws { _ = try await delivery.inputs.fetch(receiver.url("/image/red.png")) }
        try await fetch()
        try delivery.change(to: policy(caFile: other.certificate))
        #expect(try await jobError { try await fetch() }.code == .inputUnavailable)
        try delivery.change(to: policy(caFile: known.certificate))
        try await fetch()

        let folder = try Folder()
        let file = folder.url.appending(path: "ca.pem")
        try FileManager.default.copyItem(at: known.certificate, to: file)
        try delivery.change(to: policy(caFile: file))
        try await fetch()
        try Data(contentsOf: other.certificate).write(to: file)
        try delivery.change(to: policy(caFile: file))
        #expect(try await jobError { try await fetch() }.code == .inputUnavailable)
    }

    @Test("a policy that cannot be used changes nothing")
    func unusable() async throws {
        let receiver = try await HTTPReceiver.room()
        let folder = try Folder()
        let file = folder.url.appending(path: "ca.pem")
        try Data("no certificate\n".utf8).write(to: file)
        let delivery = try Delivery(localPolicy())
        #expect(throws: HTTPError.unusable(reason: "the CA file \(file.path) has no certificate in PEM form")) {
            try delivery.change(to: policy(caFile: file))
        }
        _ = try await delivery.inputs.fetch(receiver.url("/image/red.png"))
    }

    @Test("a transfer under way ends by the policy that it began with")
    func underWay() async throws {
        let receiver = try await HTTPReceiver.room()
        let delivery = try Delivery(policy(caFile: nil, inputSeconds: 2))
        async let error = jobError { _ = try await delivery.inputs.fetch(receiver.url("/hang")) }
        _ = try await receiver.waitForRequests("/hang")
        // no address is allowed any more
        try delivery.change(to: DeliveryPolicy())
        #expect(try await error.code == .inputUnavailable)
        #expect(
            try await jobError { _ = try await delivery.inputs.fetch(receiver.url("/image/red.png")) }.code
                == .inputForbidden)
    }
}
