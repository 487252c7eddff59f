import JanusJob
import Testing

@Suite struct JobStateTests {
    @Test("only queued and running jobs are unfinished, and a finished one comes back only to queued")
    func finishedStates() {
        for state in JobState.allCases where state.isFinished { #expect(state.successors.isSubset(of: [.queued])) }
        #expect(JobState.succeeded.successors.isEmpty)
        #expect(!JobState.queued.isFinished && !JobState.running.isFinished)
    }

    @Test("a job can only succeed, fail or hand over from running")
    func running() {
        #expect(JobState.running.successors == [.succeeded, .failed, .canceled, .queued])
        #expect(!JobState.queued.successors.contains(.succeeded))
    }
}
