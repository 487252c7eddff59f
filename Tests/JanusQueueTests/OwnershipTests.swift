import Foundation
import JanusJob
import JanusPostgres
import JanusQueue
import Testing
import TestSupport

@Suite("Who sees and may do what")
struct OwnershipTests {
    @Test("one client does not see another's jobs, attempts, deliveries or outputs, nor cancel or retry them")
    func separation() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        _ = try await bench.queue.finish(
            bench.claimOne(), QueueBench.result(outputs: [QueueBench.output(.init([1]))]))
        let bob = try await bench.database.client("bob")
        for view in ["jobs", "attempts", "webhook_deliveries"] {
            #expect(try await bench.client.query("SELECT FROM janus.\(view)").rows.count == 1)
            #expect(try await bob.query("SELECT FROM janus.\(view)").rows.isEmpty)
        }
        #expect(try await bob.query("SELECT FROM janus.status($1)", [.int(id)]).rows.isEmpty)
        for call in ["output(\(id))", "cancel(\(id))", "retry(\(id))", "redeliver(1)"] {
            let error = await #expect(throws: PostgresError.self) { try await bob.query("SELECT janus.\(call)") }
            #expect(error?.sqlState == "P0002", "\(call)")
        }
    }

    @Test("the owner is the active role: members see a team's jobs")
    func teams() async throws {
        let bench = try await QueueBench()
        let team = bench.database.roleName("team")
        try await bench.superuser.runScript(
            "CREATE ROLE \(team) IN ROLE janus_client; GRANT \(team) TO \(bench.database.roleName("alice"))")
        try await bench.client.query("SET ROLE \(team)")
        let id = try await bench.generate()
        try await bench.client.query("RESET ROLE")
        #expect(try await bench.column("owner", id) == team)
        let own = try await bench.generate()
        try await bench.client.query("SET ROLE \(team)")
        #expect(try await bench.column("state", own) == nil)
        // a superuser who plays a role sees no more than it
        try await bench.superuser.query("SET ROLE \(team)")
        #expect(try await bench.superuser.query("SELECT FROM janus.jobs").rows.count == 1)
    }

    @Test("an administrator sees, cancels and configures; a monitor sees the depth only; a daemon is no client")
    func roles() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate()
        let admin = try await bench.database.connect(bench.database.adminDSN)
        #expect(try await admin.query("SELECT FROM janus.jobs").rows.count == 1)
        #expect(try await admin.query("SELECT waiting FROM janus.queue_depth").row.int("waiting") == 1)
        try await admin.query("SELECT janus.pause('default')")
        #expect(try await bench.claim().isEmpty)
        #expect(try await bench.queue.depth().first?.isPaused == true)
        try await admin.query("SELECT janus.resume('default')")
        #expect(try await admin.query("SELECT janus.cancel($1) AS s", [.int(id)]).row.text("s") == "canceled")

        let monitor = try await bench.database.connect(bench.database.monitorDSN)
        #expect(try await monitor.query("SELECT FROM janus.queue_depth").rows.isEmpty)
        let daemon = try await bench.database.connect(bench.database.daemonDSN)
        for (connection, sql) in [
            (monitor, "SELECT FROM janus.jobs"), (monitor, "SELECT janus.generate('a')"),
            (bench.client, "SELECT FROM janus_private.job"),
            (bench.client, "SELECT janus.configure('images_max', '1')"),
            (bench.client, "SELECT janus_private.emit(1, 'failed')"), (bench.client, "SELECT FROM janus.queue_depth"),
            (bench.client, "SELECT janus.grant_upload('postgres', 'file:///')"),
            (daemon, "SELECT janus.generate('a')"), (daemon, "UPDATE janus_private.job SET owner = owner"),
            (daemon, "UPDATE janus_private.setting SET value = 'x'"), (daemon, "DELETE FROM janus_private.attempt"),
        ] {
            let error = await #expect(throws: PostgresError.self) { try await connection.query(sql) }
            #expect(error?.sqlState == "42501", "\(sql)")
        }
    }

    @Test("settings are checked, described, and change what is accepted")
    func settings() async throws {
        let bench = try await QueueBench()
        let admin = try await bench.database.connect(bench.database.adminDSN)
        for (key, value, says) in [
            ("nosuch", "1", "there is no such setting"),
            ("images_max", "0", "images_max is 0: it must be between 1 and 64"),
            ("images_max", "many", "it must be a whole number"), ("allow_http", "maybe", "it must be on or off"),
        ] {
            let error = await #expect(throws: PostgresError.self) {
                try await admin.query("SELECT janus.configure($1, $2)", [.text(key), .text(value)])
            }
            #expect(error?.sqlState == "22023" && "\(error!)".contains(says))
        }
        try await admin.query("SELECT janus.configure('images_max', '2'), janus.configure('allow_http', 'true')")
        await #expect(throws: PostgresError.self) { try await bench.generate("'a', images => 3") }
        try await bench.generate("'a', webhook_url => 'http://example.org/', upload_to => '{http://example.org/out/}'")
        try await admin.query("SELECT janus.configure('images_max', NULL)")
        try await bench.generate("'a', images => 3")
        #expect(try await bench.client.query("SELECT FROM janus.settings WHERE description = ''").rows.isEmpty)
    }

    @Test("file sinks need a grant of the owner's, to itself or a role it belongs to, for that very folder")
    func uploadGrants() async throws {
        let bench = try await QueueBench()
        let admin = try await bench.database.connect(bench.database.adminDSN)
        for bad in ["/out/", "file:///out", "file:///a/../b/", "https://x/"] {
            let error = await #expect(throws: PostgresError.self) {
                try await admin.query("SELECT janus.grant_upload('janus_client', $1)", [.text(bad)])
            }
            #expect(error?.sqlState == "22023")
        }
        try await admin.query("SELECT janus.grant_upload('janus_client', 'file:///out/')")
        try await bench.generate("'a', upload_to => '{file:///out/,file:///out/deeper/}'")
        await #expect(throws: PostgresError.self) { try await bench.generate("'a', upload_to => '{file:///outer/}'") }
        #expect(
            try await admin.query("SELECT janus.revoke_upload('janus_client', 'file:///out/') AS was").row.bool("was"))
        await #expect(throws: PostgresError.self) { try await bench.generate("'a', upload_to => '{file:///out/}'") }
    }

    @Test("webhook secrets belong to the role, and both sign while one is rotated")
    func secrets() async throws {
        let bench = try await QueueBench()
        func secret(_ call: String) async throws -> String {
            try await bench.client.query("SELECT janus.\(call) AS s").row.text("s")
        }
        let first = try await secret("webhook_secret()")
        #expect(first.hasPrefix("whsec_") && first.count == 50)
        #expect(try await secret("webhook_secret()") == first)
        let second = try await secret("rotate_webhook_secret()")
        #expect(second != first)
        let active = try await bench.queue.webhookSecrets(owner: bench.database.roleName("alice"))
        #expect(active.map { "whsec_" + $0.base64EncodedString() } == [second, first])
        let third = try await secret("rotate_webhook_secret(keep => '0 s')")
        let now = try await bench.queue.webhookSecrets(owner: bench.database.roleName("alice"))
        #expect(now.map { "whsec_" + $0.base64EncodedString() } == [third, first])
        #expect(try await bench.queue.webhookSecrets(owner: "nobody").isEmpty)
        let bob = try await bench.database.client("bob")
        let others = try await bob.query("SELECT janus.webhook_secret() AS s").row.text("s")
        #expect(![first, second, third].contains(others))
        let error = await #expect(throws: PostgresError.self) {
            try await bob.query("SELECT FROM janus_private.webhook_secret")
        }
        #expect(error?.sqlState == "42501")
    }

    @Test("the outbox has the events that were asked for and no others")
    func events() async throws {
        let bench = try await QueueBench()
        for events in ["succeeded,failed", "canceled"] {
            let id = try await bench.generate(
                "'a', webhook_url => 'https://example.org/', webhook_events => '{\(events)}'")
            try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        }
        let rows = try await bench.client.query("SELECT job, type FROM janus.webhook_deliveries").rows
        #expect(try rows.map { "\(try $0.int64("job")) \(try $0.text("type"))" } == ["2 job.canceled"])
    }

    @Test("a finished delivery is called again on request, with the same id and body")
    func redelivery() async throws {
        let bench = try await QueueBench()
        let id = try await bench.generate("'a', webhook_url => 'https://example.org/'")
        try await bench.client.query("SELECT janus.cancel($1)", [.int(id)])
        let first = try #require(try await bench.queue.claimWebhooks(WebhookClaim(limit: 1)).webhooks.first)
        #expect(try await bench.queue.recordWebhook(first, .retry(status: 503, error: "busy", afterSeconds: 0)))
        let second = try #require(try await bench.queue.claimWebhooks(WebhookClaim(limit: 1)).webhooks.first)
        #expect(second.attempt == 2 && second.message == first.message)
        #expect(try await bench.queue.recordWebhook(second, .abandoned(status: 410, error: "gone")))
        #expect(try await bench.queue.claimWebhooks(WebhookClaim(limit: 1)).webhooks.isEmpty)
        #expect(
            try await bench.client.query("SELECT last_error FROM janus.webhook_deliveries").row.text("last_error")
                == "gone")
        try await bench.client.query("SELECT janus.redeliver($1)", [.int(first.id)])
        let third = try #require(try await bench.queue.claimWebhooks(WebhookClaim(limit: 1)).webhooks.first)
        #expect(third.message == first.message && third.attempt == 1)
    }
}
