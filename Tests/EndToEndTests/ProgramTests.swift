import Foundation
import JanusPostgres
import TestSupport
import Testing

/// The programs as people start them.
@Suite struct ProgramTests {
    @Test("janusd links no model code and janus-worker neither libpq nor libcurl")
    func links() throws {
        let janusd = try Reference.executable("janusd").path
        let worker = try Reference.executable("janus-worker").path
        let libraries = try (janusd: run("/usr/bin/ldd", [janusd]).output, worker: run("/usr/bin/ldd", [worker]).output)
        #expect(!libraries.janusd.contains("openblas"))
        #expect(libraries.janusd.contains("libpq") && libraries.janusd.contains("libcurl"))
        #expect(!libraries.worker.contains("libpq") && !libraries.worker.contains("libcurl"))
        #expect(libraries.worker.contains("openblas"))
        // Swift modules are linked statically: their names stand in the symbols
        let symbols = try (janusd: run("/usr/bin/nm", [janusd]).output, worker: run("/usr/bin/nm", [worker]).output)
        for module in ["JanusModel", "JanusEngine", "JanusTensor", "JanusImage", "JanusText"] {
            let mangled = "\(module.count)\(module)"
            // as variables: a failed expectation would print all symbols
            let (inDaemon, inWorker) = (symbols.janusd.contains(mangled), symbols.worker.contains(mangled))
            #expect(!inDaemon && inWorker, "\(module)")
        }
        // libdispatch reads /proc and starts threads when it likes, and traps when the sandbox refuses it
        let usesDispatch = symbols.worker.contains("Dispatch")
        #expect(!usesDispatch)
        for module in ["JanusPostgres", "JanusQueue", "JanusHTTP", "JanusDelivery"] {
            let inWorker = symbols.worker.contains("\(module.count)\(module)")
            #expect(!inWorker, "\(module)")
        }
    }

    @Test(
        "every command explains itself",
        arguments: [
            [], ["serve"], ["migrate"], ["migrate", "up"], ["migrate", "down"], ["enqueue", "generate"],
            ["enqueue", "understand"], ["status"], ["cancel"], ["doctor"], ["settings"], ["webhook-secret"],
        ])
    func help(command: [String]) throws {
        let result = try janusd(command + ["--help"])
        #expect(result.status == 0)
        #expect(result.output.contains("OVERVIEW:") && result.output.contains("USAGE:"))
    }

    @Test("the example configuration in systemd/ is what `janusd settings` prints, and it can be read")
    func exampleConfiguration() throws {
        let file = TestPaths.root + "/systemd/janusd.yaml"
        #expect(try janusd(["settings"]).output == String(contentsOfFile: file, encoding: .utf8))
        let result = try janusd(["doctor", "--config", file])
        #expect(result.output.contains("database.dsn is not set"), "\(result.output)")
    }

    @Test("a misspelt key and a value out of range are named, with what to do")
    func badConfiguration() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "conf-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "janusd.yaml").path
        try "workers:\n  cuont: 3\n".write(toFile: file, atomically: true, encoding: .utf8)
        let misspelt = try janusd(["serve", "--config", file])
        #expect(misspelt.status != 0)
        #expect(misspelt.output.contains("workers.cuont") && misspelt.output.contains("workers.count"))
        let outOfRange = try janusd(["serve"], ["JANUSD_LEASE_SECONDS": "0", "JANUSD_DATABASE_DSN": "dbname=x"])
        #expect(outOfRange.status != 0)
        #expect(outOfRange.output.contains("lease.seconds is 0") && outOfRange.output.contains("1.0 … 3600.0"))
        let unknown = try janusd(["serve"], ["JANUSD_LEASE_SECOND": "3"])
        #expect(unknown.output.contains("did you mean 'JANUSD_LEASE_SECONDS'"))
        let notANumber = try janusd(["serve"], ["JANUSD_LEASE_SECONDS": "soon", "JANUSD_DATABASE_DSN": "dbname=x"])
        #expect(notANumber.status != 0 && notANumber.output.contains("lease.seconds"), "\(notANumber.output)")
    }

    @Test("doctor names a wrong DSN without its password, and a missing schema; it tells what waits")
    func doctor() async throws {
        let models = ["JANUSD_MODELS": "tiny=" + Reference.file("Reference/tiny/hf")]
        let refused = try janusd(
            ["doctor"],
            models.merging(["JANUSD_DATABASE_DSN": "host=127.0.0.1 port=1 dbname=shop password=hush"]) { $1 })
        #expect(refused.status == 1)
        #expect(refused.output.contains("FAULT") && refused.output.contains("127.0.0.1"))
        #expect(!refused.output.contains("hush"))
        let malformed = try janusd(["doctor"], models.merging(["JANUSD_DATABASE_DSN": "no such thing"]) { $1 })
        #expect(malformed.status == 1 && malformed.output.contains("FAULT"))
        let empty = try await TestPostgres.database(migrated: false)
        let missing = try janusd(["doctor"], models.merging(["JANUSD_DATABASE_DSN": empty.daemonDSN]) { $1 })
        #expect(missing.output.contains("janusd migrate up"), "\(missing.output)")
        let good = try await TestPostgres.database()
        let client = ["JANUSD_DATABASE_DSN": try await good.clientDSN("shop")]
        #expect(try janusd(["enqueue", "generate", "a red fox", "--model", "tiny"], client).status == 0)
        let well = try janusd(["doctor"], models.merging(["JANUSD_DATABASE_DSN": good.daemonDSN]) { $1 })
        #expect(well.status == 0 && well.output.contains("all well"), "\(well.output)")
        #expect(
            well.output.contains("queue default, model tiny: 1 waiting, the oldest for ")
                && well.output.contains(", 0 scheduled, 0 running\n"), "\(well.output)")
    }

    @Test("notices of the server do not get into what a command prints")
    func notices() async throws {
        let database = try await TestPostgres.database()
        let client = ["JANUSD_DATABASE_DSN": try await database.clientDSN("shop")]
        try await database.connect().runScript(
            """
            CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE NOTICE 'a notice';
                RETURN NEW;
            END $$;
            CREATE TRIGGER tell BEFORE INSERT ON janus_private.job FOR EACH ROW EXECUTE FUNCTION public.tell();
            """)
        let enqueued = try janusd(["enqueue", "generate", "a red fox"], client)
        #expect(enqueued.status == 0 && enqueued.output == "1\n", "\(enqueued.output)")
    }

    @Test("migrate, enqueue, status and cancel work from the command line")
    func commands() async throws {
        let database = try await TestPostgres.database(migrated: false)
        let deployer = ["JANUSD_DATABASE_DSN": database.deployerDSN]
        #expect(try janusd(["migrate", "up"], deployer).output.contains("applied  1"))
        #expect(try janusd(["migrate", "up"], deployer).output.contains("nothing to apply"))
        #expect(try janusd(["migrate"], deployer).output.contains("applied"))
        let client = ["JANUSD_DATABASE_DSN": try await database.clientDSN("alice")]
        let enqueued = try janusd(["enqueue", "generate", "a red fox", "--seed", "3", "--model", "tiny"], client)
        #expect(enqueued.status == 0, "\(enqueued.output)")
        let job = enqueued.output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try janusd(["status", job], client).output.contains("\"queued\""))
        #expect(try janusd(["cancel", job], client).output == "canceled\n")
        #expect(try janusd(["webhook-secret"], client).output.hasPrefix("whsec_"))
        let bad = try janusd(["enqueue", "generate", "x", "--images", "0"], client)
        #expect(bad.status != 0 && bad.output.contains("images is 0"), "\(bad.output)")
        let nobody = try janusd(["status", "999"], client)
        #expect(nobody.status != 0 && nobody.output.contains("there is no job 999"))
        #expect(try janusd(["migrate", "down", "--to", "0"], deployer).status == 0)
    }

    @Test("a model of which no worker starts has failed, and its reason is told everywhere, until it is mended")
    func noModel() async throws {
        let stage = try await Stage.make()
        let manager = try NotifySocket()
        let folder = try TemporaryDirectory()
        let daemon = try stage.startDaemon(["JANUSD_MODELS": "tiny=\(folder.path)", "NOTIFY_SOCKET": manager.path])
        try await daemon.waitForLog("model failed")
        try await daemon.waitForLog("config.json")
        let job = try await stage.enqueue("janus.generate('a fox')")
        try await waitUntil("the job's status tells") { try await stage.status(job).textIfAny("code") != nil }
        let status = try await stage.status(job)
        #expect(try status.text("code") == "model_failed" && status.text("state") == "queued")
        #expect(try status.text("message").contains("config.json"))
        let reason = try await stage.client.query("SELECT failed_models ->> 'tiny' AS reason FROM janus.workers").row
        #expect(try reason.text("reason").contains("config.json"))
        try await manager.wait(forStatus: "0 of 1 workers ready, database connected, model tiny failed: ")
        let doctor = try janusd(
            ["doctor"],
            [
                "JANUSD_DATABASE_DSN": stage.database.daemonDSN,
                "JANUSD_MODELS": "tiny=" + Reference.file("Reference/tiny/hf"),
            ])
        #expect(doctor.status == 1 && doctor.output.contains("FAULT") && doctor.output.contains("config.json"))

        for name in try FileManager.default.contentsOfDirectory(atPath: Reference.file("Reference/tiny/hf")) {
            try FileManager.default.copyItem(
                atPath: Reference.file("Reference/tiny/hf/" + name), toPath: folder.path + "/" + name)
        }
        try await stage.wait(job, for: "succeeded", seconds: 90)
        try await waitUntil("the failure is taken back") {
            try await stage.client.query("SELECT failed_models::text AS failed FROM janus.workers").row.text("failed")
                == "{}"
        }
        #expect(daemon.isRunning)
    }

    /// Its output is standard error too.
    private func janusd(_ arguments: [String], _ environment: [String: String] = [:]) throws -> TestProcess.Result {
        try run(try Reference.executable("janusd").path, arguments, environment)
    }

    private func run(
        _ program: String, _ arguments: [String], _ environment: [String: String] = [:]
    ) throws -> TestProcess.Result {
        try TestProcess.run(URL(filePath: program), arguments, environment: environment, joinsErrors: true)
    }
}
