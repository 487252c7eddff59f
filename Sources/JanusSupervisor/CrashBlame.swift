/// What a worker's end says about one of the runs that it held.
package enum CrashBlame: Sendable, Equatable {
    /// It was this run's doing, as far as one can know: charged.
    case charged
    /// One of several may have done it: each runs alone next time, uncharged.
    case suspect
    /// It was not: handed back, uncharged.
    case innocent
}

/// How far a run is in its worker, as far as the supervisor knows.
package enum RunStage: Sendable, Equatable {
    /// A place is kept; it is about to be sent. Becomes `sent`.
    case assigned
    /// The worker was told; nothing was heard of it. Becomes `preparing` or `computing`.
    case sent
    /// Its inputs are decoded, which only one run at a time is in. Becomes `computing`.
    case preparing
    /// In the batch, or waiting for room in it.
    case computing

    /// Who is to blame for a crash: the one that was being prepared; else who was in the batch; else who was under way to it. One
    /// alone is charged, of several each is a suspect.
    package static func blame<Run: Hashable>(_ stages: [Run: RunStage]) -> [Run: CrashBlame] {
        let culprits = [RunStage.preparing, .computing, .sent].map { stage in stages.filter { $0.value == stage } }
            .first { !$0.isEmpty }
        return stages.reduce(into: [:]) { blames, entry in
            guard let culprits, culprits[entry.key] != nil else {
                blames[entry.key] = .innocent
                return
            }
            blames[entry.key] = culprits.count == 1 ? .charged : .suspect
        }
    }
}
