import ArgumentParser
import Foundation

/// One release: the daemon, its workers and its migrations are installed together.
let janusdVersion = "0.1.0"

@main
struct Janusd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "janusd",
        abstract: "Image understanding and text-to-image jobs from a PostgreSQL queue, on CPUs.",
        discussion: """
            First steps:
              psql -f Deploy/bootstrap.sql     roles, once, as an administrator
              janusd migrate up                the janus schema
              janusd doctor                    what is missing, and what to do
              janusd serve                     the daemon
            Then, from any SQL client:
              SELECT janus.generate('a red fox', images => 4);
              SELECT * FROM janus.status(1);

            Configuration: \(Settings.defaultFile), --config FILE,
            and JANUSD_… variables; `janusd settings` explains every key.
            """,
        version: janusdVersion,
        subcommands: [
            Serve.self, Migrate.self, Adopt.self, Enqueue.self, Status.self, Cancel.self, Doctor.self,
            WebhookSecret.self,
            PrintSettings.self,
        ])

    static func main() async {
        openStandardDescriptors()
        await main(nil)
    }

    /// Those that whoever started the program had closed: else the first connection or file would take their numbers, and the
    /// log would be written into it.
    private static func openStandardDescriptors() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // the lowest number that is free is this one
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }
}

struct PrintSettings: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings",
        abstract: "Print a configuration file with every key, its meaning and its default.",
        discussion: "Example: janusd settings > /etc/janusd/janusd.yaml")

    func run() { print(Setting.exampleFile, terminator: "") }
}
