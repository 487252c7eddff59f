import ArgumentParser
import Foundation
import JanusQueue

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create, upgrade or remove the janus schema.",
        discussion: """
            Connects as a member of the owner role that Deploy/bootstrap.sql makes. Every migration is one transaction
            under the lock of its own table; where somebody else holds a lock that it needs, it says who.
            """,
        subcommands: [Up.self, Down.self, Show.self], defaultSubcommand: Show.self)

    struct Source: ParsableArguments {
        @OptionGroup var options: ConfigurationOptions
        @Option(help: "Folder of NNN_name.up.sql and .down.sql files; default: those of this release.")
        var directory: String?

        func migrator() async throws -> Migrator {
            let settings = try await Settings(file: options.config)
            let dsn = try settings.text("database.listen_dsn") ?? settings.requiredText("database.dsn")
            return try Migrator(dsn: dsn, directory: directory ?? InstalledFiles.migrations())
        }
    }

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Apply what is missing.")
        @OptionGroup var source: Source
        @Option(help: "Stop at this version.") var to: Int?

        func run() async throws {
            let migrator = try await source.migrator()
            report(try await migrator.up(to: to), done: "applied", nothing: "nothing to apply")
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undo migrations. `--to 0` removes the schema with all jobs in it.")
        @OptionGroup var source: Source
        @Option(help: "The version to go back to.") var to: Int

        func run() async throws {
            let migrator = try await source.migrator()
            report(try await migrator.down(to: to), done: "undone", nothing: "nothing to undo")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Show which migrations are applied.")
        @OptionGroup var source: Source

        func run() async throws {
            for migration in try await source.migrator().status() {
                print("\(migration.version)  \(migration.name)  \(migration.state)")
            }
        }
    }
}

struct Adopt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let daemons serve this database, after a restore, a copy or pg_upgrade.",
        discussion: """
            A database remembers the cluster and the name under which it was migrated. Daemons of a copy claim and call
            nothing before this says that the copy is to be served. Connects as `janusd migrate` does.
            """)
    @OptionGroup var source: Migrate.Source

    func run() async throws {
        try await source.migrator().adopt()
        print("this database is served from now on")
    }
}

private func report(_ changed: [MigrationStatus], done: String, nothing: String) {
    if changed.isEmpty { print(nothing) }
    for migration in changed { print("\(done)  \(migration.version)  \(migration.name)") }
}
