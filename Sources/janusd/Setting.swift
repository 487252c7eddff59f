import JanusDelivery
import JanusJob
import JanusWire

/// One configuration key: what the file, the environment and `janusd settings` say about it.
struct Setting: Sendable {
    /// How a value is written, with the default.
    enum Value: Sendable {
        /// nil: it has no default and must be set where it is needed.
        case text(String?)
        case texts([String])
        case number(Double, within: ClosedRange<Double>)
        case whole(Int, within: ClosedRange<Int>)
        case flag(Bool)
    }

    /// Dotted, as in `database.dsn`; the variable is `JANUSD_DATABASE_DSN`.
    let key: String
    let value: Value
    /// Meaning and trade-off; the unit is in the key's name.
    let meaning: String
    /// Whether SIGHUP changes it; the others need a restart.
    var isReloaded = false

    var variable: String { "JANUSD_" + key.uppercased().replacing(".", with: "_") }
}

extension Setting {
    // Where a default belongs to a value of another module, it stands there.
    private static let delivery = DeliveryPolicy()

    static let all: [Setting] = [
        Setting(
            key: "database.dsn", value: .text(nil),
            meaning: """
                Where the queue is: a libpq connection string or URI. A role that is a member of janus_daemon. Passwords
                belong in a pgpass file or a service file, not here. PgBouncer in transaction mode is fine.
                """),
        Setting(
            key: "database.listen_dsn", value: .text(nil),
            meaning: """
                A direct connection for LISTEN where database.dsn goes through PgBouncer; default: database.dsn.
                """),
        Setting(
            key: "database.connections", value: .whole(4, within: 1...64),
            meaning: "Connections beside the listening one. More than 4 help only with many workers."),
        Setting(
            key: "database.statement_seconds", value: .number(15, within: 1...600),
            meaning: "A statement without an answer by then is abandoned with its connection."),
        Setting(
            key: "notifications", value: .flag(true),
            meaning: "Wake on NOTIFY. Off, jobs wait for the next poll: use a shorter poll.seconds."),
        Setting(
            key: "poll.seconds", value: .number(5, within: 0.1...3600),
            meaning: "How often the queue is looked at without a notification (jittered by a fifth)."),
        Setting(
            key: "host.name", value: .text(nil), meaning: "What janus.workers calls this host; default: its hostname."),
        Setting(
            key: "models", value: .texts([]),
            meaning: """
                What to serve, as NAME=PATH of a checkpoint's directory or of a pack (`janus-model pack`); jobs name them
                with model => 'NAME'. The first becomes the database's default model where none is set. Without any,
                janus-nano is served, the small model that comes with janusd.
                """),
        Setting(
            key: "precision", value: .text(Precision.f32.rawValue),
            meaning: """
                What checkpoints of `models` run in: \(Precision.names). All but f32 are packed at the first start into
                cache.directory, once for all workers, and then mapped; less precise is faster and smaller, and strays further
                from the model (Deploy/README.md, "Precisions and packs"). A pack keeps the precision that it was made in.
                """),
        Setting(
            key: "cache.directory", value: .text(nil),
            meaning: """
                Where those packs are kept, on a local disk with room for them; default: systemd's cache directory, else
                janusd below $XDG_CACHE_HOME or ~/.cache. What lies there can be removed while janusd is stopped.
                """),
        Setting(
            key: "queues", value: .texts(["default"]), meaning: "Queues whose jobs this host takes."),
        Setting(
            key: "workers.count", value: .whole(1, within: 1...256),
            meaning: """
                Worker processes for each model. In f32 a checkpoint costs each its weights; a pack is mapped and shared by
                all. One worker with all cores computes many jobs together and is the fastest; more keep the others' jobs
                going when one crashes.
                """),
        Setting(
            key: "workers.jobs", value: .whole(8, within: 1...256),
            meaning: """
                Jobs that a worker computes together, as far as workers.cache_mib has room: the weights are read once for all
                of them, so more jobs are more work done, each a little slower. A checkpoint in f32 runs one at a time.
                """),
        Setting(
            key: "workers.cache_mib", value: .whole(0, within: 0...(1 << 24)),
            meaning: """
                MiB of memory that one worker may use for the keys and values of its jobs; a job that alone needs more is
                refused. 0 shares a quarter of the machine's memory among all workers.
                """),
        Setting(
            key: "workers.cache_format", value: .text(nil),
            meaning: """
                How packs keep keys and values: \(KeyValueFormat.names). int8 takes half the memory, so that twice the jobs have room, and
                half the time to read them; bf16 strays a little less from the model. Default: int8, for bf16 packs bf16.
                """),
        Setting(
            key: "workers.threads", value: .whole(0, within: 0...WorkerSettings.threadsMax),
            meaning: "Threads of one worker; 0 shares the machine's cores among all workers."),
        Setting(
            key: "workers.program", value: .text(nil),
            meaning: "The janus-worker to start; default: the one beside janusd."),
        Setting(
            key: "lease.seconds", value: .number(30, within: 1...3600),
            meaning: """
                A host that does not renew for so long loses its jobs to others. Shorter takes over sooner; longer
                outlives longer outages of the database without doing work twice.
                """),
        Setting(
            key: "progress.seconds", value: .number(1, within: 0.1...60),
            meaning: "How often progress is written while jobs run: one small statement a host."),
        Setting(
            key: "shutdown.grace_seconds", value: .number(60, within: 0...86400),
            meaning:
                "How long SIGTERM waits for running jobs; then they are handed back. Keep TimeoutStopSec above it.",
            isReloaded: true
        ),
        Setting(
            key: "retry.first_seconds", value: .number(5, within: 0...86400),
            meaning: "Delay before the second attempt of a failed job; it doubles with each attempt (jittered)."),
        Setting(
            key: "retry.max_seconds", value: .number(3600, within: 0...604800),
            meaning: "The longest such delay."),
        Setting(
            key: "retention.succeeded_days", value: .number(30, within: 0.001...36500),
            meaning:
                "Finished jobs, their inputs and outputs are deleted after this. Shorter keeps the database small.",
            isReloaded: true
        ),
        Setting(
            key: "retention.failed_days", value: .number(90, within: 0.001...36500),
            meaning: "The same for failed jobs.", isReloaded: true),
        Setting(
            key: "retention.canceled_days", value: .number(30, within: 0.001...36500),
            meaning: "The same for canceled jobs.", isReloaded: true),
        Setting(
            key: "network.allow_http", value: .flag(delivery.allowHTTP),
            meaning: "Allow http:// beside https:// for input pictures, uploads and webhooks: they travel unencrypted.",
            isReloaded: true),
        Setting(
            key: "network.allow", value: .texts([]),
            meaning: """
                Networks (CIDR) that jobs may reach although they are loopback, private or reserved. Everything listed
                here is within reach of whoever may enqueue.
                """, isReloaded: true),
        Setting(
            key: "network.ca_file", value: .text(nil),
            meaning: "PEM file of certificate authorities instead of the system's.", isReloaded: true),
        Setting(
            key: "input.bytes_max", value: .whole(delivery.inputBytesMax, within: 1...(60 << 20)),
            meaning: "Largest input picture to fetch, in bytes.", isReloaded: true),
        Setting(
            key: "input.seconds", value: .number(delivery.inputSeconds, within: 0.1...3600),
            meaning: "Time to fetch one input picture.", isReloaded: true),
        Setting(
            key: "upload.seconds", value: .number(delivery.uploadSeconds, within: 0.1...3600),
            meaning: "Time for one try of an upload.", isReloaded: true),
        Setting(
            key: "upload.at_once", value: .whole(delivery.uploadsMax, within: 4...4096),
            meaning: """
                Jobs whose outputs are uploaded at once; an owner has at most a quarter, a host at most half. An owner that has its
                share waits with new jobs, others go on. Where descriptors (LimitNOFILE) or threads (TasksMax) do not suffice,
                fewer.
                """, isReloaded: true),
        Setting(
            key: "webhook.seconds", value: .number(delivery.webhookSeconds, within: 0.1...600),
            meaning: "Time for one try of a webhook.", isReloaded: true),
        Setting(
            key: "webhook.at_once", value: .whole(delivery.webhooksMax, within: 4...4096),
            meaning: "Webhooks that are called at once, shared as upload.at_once is.", isReloaded: true),
        Setting(
            key: "files.root", value: .text(nil),
            meaning: "Directory that file:/// sinks must lie in; unset refuses them. It must be on a local disk.",
            isReloaded: true),
        Setting(
            key: "log.level", value: .text("info"), meaning: "trace, debug, info, notice, warning or error.",
            isReloaded: true),
        Setting(key: "log.format", value: .text("text"), meaning: "text (one line an entry, key=value) or json."),
    ]

    /// The whole table as a commented configuration file.
    static var exampleFile: String {
        var lines = [
            "# janusd: every key with its default. Printed by `janusd settings`.",
            "# Each can also be set by the environment, which wins: database.dsn is JANUSD_DATABASE_DSN (lists by commas).",
            "# What is marked (reload) changes with `systemctl reload janusd` (SIGHUP); the rest needs a restart.",
        ]
        var section = ""
        for setting in all {
            let parts = setting.key.split(separator: ".")
            lines.append("")
            if parts.count > 1, section != parts[0] { lines.append("\(parts[0]):") }
            section = parts.count > 1 ? String(parts[0]) : ""
            let indent = parts.count > 1 ? "  " : ""
            let meaning = setting.meaning + (setting.isReloaded ? " (reload)" : "")
            lines += meaning.split(separator: "\n").map { "\(indent)# \($0)" }
            lines.append("\(indent)\(setting.yamlDefault(name: String(parts[parts.count - 1])))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func yamlDefault(name: String) -> String {
        switch value {
        case .text(nil): "# \(name):"
        case .text(let text?): "\(name): \(text)"
        case .texts(let texts): "\(name): [\(texts.joined(separator: ", "))]"
        case .number(let number, _): "\(name): \(number == number.rounded() ? "\(Int(number))" : "\(number)")"
        case .whole(let number, _): "\(name): \(number)"
        case .flag(let flag): "\(name): \(flag)"
        }
    }
}
