// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is compiled alike: strict memory safety marks each boundary to C with `unsafe`.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
]

extension Target {
    static func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
        .target(name: name, dependencies: dependencies, swiftSettings: strict)
    }

    static func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
        .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
    }

    static func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
        .testTarget(name: name, dependencies: dependencies + ["TestSupport"], swiftSettings: strict)
    }

    static func system(_ name: String, pkgConfig: String, apt: String) -> Target {
        .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
    }
}

let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

let package = Package(
    name: "janusd",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C: system libraries (module map and typed shims only), codecs, kernels, process and sandbox primitives
        .system("CLibPQ", pkgConfig: "libpq", apt: "libpq-dev"),
        .system("CLibCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        .system("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
        .target(
            name: "CImageCodecs",
            linkerSettings: [
                .linkedLibrary("png16"), .linkedLibrary("jpeg"), .linkedLibrary("webp"), .linkedLibrary("webpdemux"),
            ]),
        .target(name: "CJanusKernels"),
        .target(name: "CProcess"),
        .target(name: "CSandbox", linkerSettings: [.linkedLibrary("seccomp")]),

        // error numbers and C strings, for either side
        .module("JanusSystem"),

        // the vocabulary and the frames between supervisor and worker
        .module("JanusJob", [crypto]),
        .module("JanusWire", ["JanusJob"]),

        // the supervisor's side: never links the model
        .module("JanusPostgres", ["CLibPQ", "JanusSystem"]),
        .module("JanusQueue", ["JanusJob", "JanusPostgres"]),
        .module("JanusHTTP", ["CLibCurl"]),
        .module("JanusDelivery", ["JanusJob", "JanusHTTP", "JanusSystem", crypto]),
        .module(
            "JanusSupervisor",
            ["CProcess", "JanusJob", "JanusWire", "JanusQueue", "JanusDelivery", "JanusHTTP", "JanusSystem", logging]),

        // the worker's side: never links libpq or libcurl
        .module("JanusTensor", ["CJanusKernels", "COpenBLAS", "JanusJob", "JanusSystem"]),
        .module("JanusText"),
        .module("JanusImage", ["CImageCodecs", "JanusJob", "JanusSystem"]),
        .module("JanusModel", ["JanusJob", "JanusSystem", "JanusTensor", crypto]),
        .module(
            "JanusEngine", ["COpenBLAS", "JanusJob", "JanusTensor", "JanusModel", "JanusText", "JanusImage", crypto]),

        .program(
            "janusd",
            [
                "JanusJob", "JanusWire", "JanusSupervisor", "JanusQueue", "JanusDelivery", "JanusHTTP", arguments,
                configuration, logging,
                signals, yaml,
            ]),
        .program(
            "janus-worker",
            ["CSandbox", "JanusJob", "JanusWire", "JanusEngine", "JanusModel", "JanusSystem", "JanusTensor", arguments]),
        .program(
            "janus-model",
            ["JanusEngine", "JanusJob", "JanusModel", "JanusText", "JanusImage", "JanusTensor", arguments]),

        // tests; TestSupport starts the real parts (PostgreSQL, HTTP receiver) that they use
        .target(
            name: "TestSupport", dependencies: ["JanusPostgres", "JanusQueue"], path: "Tests/TestSupport",
            exclude: ["hostile_worker.py", "receiver.py", "verify_webhook.py"],
            swiftSettings: strict),
        // counts the allocations of the engine's steps in a process of its own
        .target(name: "CAllocations", path: "Tests/CAllocations"),
        .executableTarget(
            name: "step-allocations", dependencies: ["CAllocations", "JanusEngine", "JanusJob"],
            path: "Tests/StepAllocations", swiftSettings: strict),
        .tests("JanusSystemTests", ["JanusSystem"]),
        .tests("JanusJobTests", ["JanusJob"]),
        .tests("JanusWireTests", ["JanusJob", "JanusWire"]),
        .tests("JanusPostgresTests", ["JanusPostgres"]),
        .tests("JanusQueueTests", ["JanusHTTP", "JanusJob", "JanusPostgres", "JanusQueue"]),
        .tests("JanusHTTPTests", ["JanusHTTP"]),
        .tests("JanusDeliveryTests", ["JanusDelivery", "JanusHTTP", "JanusJob"]),
        .tests("JanusTensorTests", ["JanusJob", "JanusTensor"]),
        .tests("JanusTextTests", ["JanusText"]),
        .tests("JanusImageTests", ["JanusImage", "JanusJob"]),
        .tests("JanusModelTests", ["JanusJob", "JanusModel", "JanusTensor"]),
        .tests(
            "JanusEngineTests",
            ["JanusEngine", "JanusImage", "JanusJob", "JanusModel", "JanusTensor", "JanusText", "JanusWire"]),
        .tests(
            "JanusSupervisorTests",
            ["CProcess", "JanusDelivery", "JanusJob", "JanusQueue", "JanusSupervisor", "JanusSystem", "JanusWire"]),
        .tests("EndToEndTests", ["JanusPostgres", "JanusQueue"]),
    ],
    swiftLanguageModes: [.v6]
)
